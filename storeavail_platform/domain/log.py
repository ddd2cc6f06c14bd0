"""What functions log to: Python's loggers, or Dagster's log of a run, which is one."""

from __future__ import annotations

import logging
from typing import Any

Log = logging.Logger | logging.LoggerAdapter[Any]
