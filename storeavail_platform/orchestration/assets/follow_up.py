"""Run configuration of what follows a window in its own run: its local dates and the page."""

import dagster as dg
from pydantic import Field


class FollowUpConfig(dg.Config):
    """What follows the window's tables."""

    follow_up: bool = Field(
        default=True,
        description=(
            "Roll the window's local dates up and write the page. Without it they are left to the"
            " country's next window, once for many: for back-fills."
        ),
    )
