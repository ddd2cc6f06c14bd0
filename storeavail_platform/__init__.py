"""Store availability platform: is each store online when its schedule says it should be open?"""

import zoneinfo

# Every machine must agree on local time, so zones come from the locked `tzdata` wheel and never from the operating system.
# Child processes and Spark executors get the same by importing the package; zones that others loaded before are forgotten.
zoneinfo.reset_tzpath(to=())
zoneinfo.ZoneInfo.clear_cache()
