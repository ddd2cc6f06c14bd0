"""What a second opinion on missing stores comes to, in words."""

from __future__ import annotations


def confirmation_text(asked: int, confirmed: int, contradicted: int) -> str:
    """How many of the stores that an API was asked about it confirmed as missing."""
    text = f"{confirmed:,} of {asked:,} confirmed by the app's API"
    said = {"contradicted": contradicted, "not answered": asked - confirmed - contradicted}
    others = [f"{number:,} {name}" for name, number in said.items() if number]
    return f"{text} ({', '.join(others)})" if others else text
