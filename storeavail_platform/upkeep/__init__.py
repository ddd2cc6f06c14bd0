"""What keeps the tables fast and small: days that are over become one file, what nobody can ask for
any more is removed.

One module for each kind of upkeep; `maintain.py` does them all for a country. Every change is a
commit of its own or removes what nothing refers to, so that upkeep can be killed anywhere and runs
beside windows. No Dagster.
"""

from storeavail_platform.upkeep.maintain import BACKUP, Done, maintain
from storeavail_platform.upkeep.views import update_views

__all__ = ["BACKUP", "Done", "maintain", "update_views"]
