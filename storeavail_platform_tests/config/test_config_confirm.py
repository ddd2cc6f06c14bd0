"""The second opinion's settings: what is refused, in which words."""

from __future__ import annotations

import pytest

from storeavail_platform_tests.config.test_config import PASSWORD, country, load, refusal

HOST = "https://api.example.com"
GOOD = f"{HOST}/stores/{{store_id}}/availability"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"{HOST}/stores", "has to name the store once, in its path"),
        (f"{HOST}/stores?id={{store_id}}", "has to name the store once, in its path"),
        (f"{HOST}/{{store_id}}/{{store_id}}", "has to name the store once, in its path"),
        (f"{HOST}/{{store_id}}/{{country}}", "no other braces"),
        ("https://{store_id}.example.com/", "is not an address"),
        ("ftp://api.example.com/{store_id}", "is not an address"),
        (f"{HOST}/{{store_id}}#x", "is not an address"),
        (f"https://user:{PASSWORD}@api.example.com/{{store_id}}", "secrets belong in headers"),
    ],
)
def test_an_address_names_the_store_once_in_its_path(url: str, said: str) -> None:
    """And holds no login: it is no secret, and is shown."""
    lines = refusal(country(extra=f"confirm: {{url: '{url}'}}"))
    assert lines[1].startswith("countries.BR.confirm.url: ")
    assert said in lines[1]


def test_headers_are_secrets() -> None:
    """Written out they are allowed beside an address of this machine only; with a cluster they
    are AWS' own.
    """
    headers = f"headers: {{authorization: {PASSWORD}}}"
    lines = refusal(country(extra=f"confirm: {{url: '{GOOD}', {headers}}}"))
    assert "countries.BR.confirm.headers: authorization written out is allowed only" in lines[1]
    here = GOOD.replace(HOST, "http://127.0.0.1:8080")
    settings = load(country(extra=f"confirm: {{url: '{here}', {headers}}}")).country("BR").confirm
    assert settings is not None
    assert settings.headers["authorization"].resolve() == PASSWORD
    assert PASSWORD not in repr(settings)
    assert not settings.is_exposed
    on_a_cluster = country(
        extra=f"confirm: {{url: '{GOOD}', headers: {{x-key: env:KEY}}}}",
        platform="execution: emr\nengine: spark\nwarehouse: s3://bucket/warehouse",
    )
    assert any(
        "confirm.headers.x-key" in line and "aws:NAME" in line for line in refusal(on_a_cluster)
    )
    assert any(
        "write it like authorization" in line
        for line in refusal(
            country(extra=f"confirm: {{url: '{GOOD}', headers: {{'a b': env:KEY}}}}")
        )
    )


def test_a_time_that_endangers_the_next_window_is_refused() -> None:
    """The budget is a part of a window."""
    lines = refusal(country(extra=f"confirm: {{url: '{GOOD}', budget: 10m, concurrency: 0}}"))
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "countries.BR.confirm.concurrency",
        "countries.BR.confirm.budget",
    ]
