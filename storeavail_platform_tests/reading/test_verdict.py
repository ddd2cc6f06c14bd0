"""The sentence about a country: what it says of each situation, and in which order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storeavail_platform.reading.incidents import Incident
from storeavail_platform.reading.verdict import Situation, since_when, verdict

AT = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
"""Monday 23:30 in Sao Paulo."""
BRAND = Incident(
    incident_id="missing-brand-20261124T0215-1",
    country="BR",
    local_date=AT.date(),
    kind="missing",
    scope="brand",
    city=None,
    brand="Galeto Dourado",
    only_in=None,
    started_at=datetime(2026, 11, 24, 2, 15, tzinfo=UTC),
    ended_at=None,
    is_ongoing=True,
    last_window=AT,
    stores=360,
    known=370,
    peak_share=1.0,
    stores_now=356,
    known_now=360,
    missed_minutes=10_000,
    usual=3.0,
    share_explained=0.98,
    past_days=28,
)
CITY = replace(
    BRAND, scope="city", brand=None, city="Recife", stores_now=30, known_now=100, usual=2.0
)
SITUATION = Situation(
    country="BR",
    timezone="America/Sao_Paulo",
    at=AT,
    availability=0.975,
    expected=True,
    missing=423,
    causes=[BRAND],
    cities={"Galeto Dourado": 12},
)


def test_a_brand_that_is_down_everywhere() -> None:
    """Who, where, since when, how many of all missing stores; and that the rest is as usual."""
    assert verdict(SITUATION) == (
        "BR: 97.5 %. Galeto Dourado is down in all 12 cities since 23:15: 356 of 423 missing"
        " stores. Otherwise as usual."
    )
    only = replace(BRAND, only_in="Recife")
    assert "Galeto Dourado (only in Recife) is down since" in verdict(
        replace(SITUATION, causes=[only])
    )


def test_a_scope_of_which_a_part_is_down_says_so() -> None:
    """Fewer than nine in ten of its stores: a part, and of how many."""
    said = verdict(replace(SITUATION, causes=[CITY]))
    assert "Recife is down in part since 23:15: 30 of its 100 stores." in said


def test_the_gravest_come_first_and_the_rest_is_counted() -> None:
    """Missing before rogue, the most stores first, what could not be explained last; two are told."""
    rogue = replace(CITY, kind="rogue", stores_now=900, known_now=1000)
    nameless = replace(BRAND, scope="unexplained", brand=None, stores_now=500, known_now=9000)
    said = verdict(replace(SITUATION, causes=[rogue, nameless, CITY, BRAND]))
    assert said.index("Galeto Dourado") < said.index("Recife")
    assert "online" not in said
    assert said.endswith("And 2 more.")
    assert "by no cause that could be named" in verdict(replace(SITUATION, causes=[nameless]))
    assert "Recife: 900 of 1,000 stores are online against their hours since 23:15." in verdict(
        replace(SITUATION, causes=[rogue])
    )


def test_nothing_is_made_up() -> None:
    """Not judged, as usual, nobody missing, closed for the night, not known: each is said."""
    for causes, missing, said in (
        (None, 36, "BR: 97.5 %. 36 stores are missing; causes are not judged yet."),
        ([], 36, "BR: 97.5 %. 36 stores are missing, as usual."),
        ([], 1, "BR: 97.5 %. 1 store is missing, as usual."),
        ([], 0, "BR: 97.5 %. No store is missing."),
    ):
        assert verdict(replace(SITUATION, causes=causes, missing=missing)) == said
    assert verdict(replace(SITUATION, availability=None)) == "BR: nothing is known of it."
    night = replace(SITUATION, availability=None, expected=False)
    assert verdict(night) == "BR: no store should be open."
    suspect = verdict(replace(SITUATION, suspect="stale index"))
    assert suspect.startswith("BR: 97.5 %. The window is suspect (stale index)")


def test_a_time_says_its_day_where_that_is_another() -> None:
    """Today the time alone, in the last days the weekday too, before that the date."""
    for back, said in ((0, "23:30"), (1, "Sun 23:30"), (10, "13 Nov 23:30")):
        assert since_when(AT - timedelta(days=back), AT, "America/Sao_Paulo") == said
