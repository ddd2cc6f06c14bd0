"""`python -m scripts.vega`: makes the library that the pages draw with, of the locked package
vl-convert-python, and says its hash, which goes into `storeavail_platform/dashboard/page.py`.

Whose it is, and under which licences, says NOTICE.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import vl_convert

from storeavail_platform.dashboard.page import VEGA

ROOT = Path(__file__).parents[1]


def library() -> str:
    """The library as one script that can stand in a page."""
    # what ends a script element, or starts a comment, in the middle of a string of the library
    bundle = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    return bundle.replace("</script", "<\\/script").replace("<!--", "\\x3c!--")


if __name__ == "__main__":
    made = library().encode()
    (ROOT / "storeavail_platform" / "dashboard" / "static" / VEGA).write_bytes(made)
    sys.stdout.write(f"{VEGA}: SHA-256 {hashlib.sha256(made).hexdigest()}\n")
