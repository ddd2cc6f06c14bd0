"""Store availability platform: is each store online when its schedule says it should be open?"""

import importlib
import zoneinfo
from typing import TYPE_CHECKING, Any

# Every machine must agree on local time, so zones come from the locked `tzdata` wheel and never
# from the operating system. Child processes and Spark executors get the same by importing the
# package; zones that others loaded before are forgotten.
zoneinfo.reset_tzpath(to=())
zoneinfo.ZoneInfo.clear_cache()

if TYPE_CHECKING:
    from storeavail_platform.reading import analyst

__all__ = ["analyst"]

_LAZY = {"analyst": "storeavail_platform.reading.analyst"}
"""Public names that are imported when they are asked for: importing the package stays light."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return importlib.import_module(_LAZY[name])
