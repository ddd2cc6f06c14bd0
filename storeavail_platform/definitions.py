"""The Dagster code location: `defs`, of the configuration that the environment names.

Nothing else.
"""

from storeavail_platform.alerting.channels import print_alerts
from storeavail_platform.config import load_platform
from storeavail_platform.domain.library_warnings import ignore_library_warnings
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.disk_watch import watch_disks
from storeavail_platform.orchestration.home import prepare_code_server_home

ignore_library_warnings()
print_alerts()
platform = load_platform()
watch_disks(platform)
prepare_code_server_home()
defs = build_definitions(platform)
