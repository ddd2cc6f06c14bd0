"""The demo's API for a second opinion: at the address of the configuration, a few contradictions."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from storeavail_platform.config import load_platform
from storeavail_platform.demo.api import COUNTRY, address, api_running, free_port
from storeavail_platform.demo.configuration import configuration_text
from storeavail_platform.demo.countries import COUNTRIES
from storeavail_platform.domain.clock import utc_now
from storeavail_platform.sources.confirmation import ConfirmationSource

ASKED = 60


def test_the_api_contradicts_a_few(tmp_path: Path) -> None:
    """Of what one country's configuration asks it about; where it does not run, or something else
    has its port, nobody answers.
    """
    config = tmp_path / "storeavail.yaml"
    dsns = {code: f"host=/tmp dbname={code.lower()}" for code in COUNTRIES}
    text = configuration_text(dsns, dsns, date(2026, 11, 1), address(free_port()))
    config.write_text(text, encoding="utf-8")
    settings = {code: each.confirm for code, each in load_platform(str(config)).countries.items()}
    confirm = settings.pop(COUNTRY)
    assert confirm is not None
    assert not any(settings.values())
    ids = [str(COUNTRIES[COUNTRY].store_id(number)) for number in range(ASKED)]
    source = ConfirmationSource(
        confirm, None, [(each, each) for each in ids], utc_now() + timedelta(minutes=1)
    )
    with api_running(config), api_running(config):
        (answered,) = source.check()
    assert answered.level == "ok"
    assert answered.message.startswith(f"answers about {ASKED} of {ASKED} stores")
    online = int(answered.message.split()[-2])
    assert 0 < online < ASKED / 4
    (silent,) = source.check()
    assert silent.message.startswith(f"answers about 0 of {ASKED} stores")
