"""The run launcher by the name that `dagster.yaml` has for it, in homes of every release.

Nothing else.
"""

from storeavail_platform.orchestration.run_launcher import WatchedRunLauncher

__all__ = ["WatchedRunLauncher"]
