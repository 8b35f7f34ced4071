"""Names of sources in files are called as the model ``referrers`` calls those of events."""

from __future__ import annotations

import pytest

from engagement.models import seed_files
from engagement.models.source_names import SourceNames
from tests.models.conftest import Bench


@pytest.fixture
def names() -> SourceNames:
    return SourceNames(*seed_files.rows("known_sources", None))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("fb", "facebook"),
        ("facebook", "facebook"),
        ("m.facebook.com", "facebook"),
        ("l.facebook.com.", "facebook"),
        ("google.co.uk", "google"),
        ("www.google.de", "google"),
        ("adwords", "google"),
        ("news.google.com", "news.google.com"),  # below a portal
        ("summer mail", "summer mail"),
        ("(not set)", "(not set)"),
        ("", ""),
        ("..", ".."),
    ],
)
def test_what_a_name_is_called(names: SourceNames, name: str, source: str) -> None:
    assert names.of(name) == source


def test_names_are_called_as_the_model_calls_them(bench: Bench, names: SourceNames) -> None:
    """Every name of the table, as it is and below and beside other names."""
    columns, rows = seed_files.rows("known_sources", None)
    place = list(columns).index("name")
    given = {"nobody.example", "nobody", "a..b", ".com", "x.y.z.a.b.c.d", "com", "co.uk"}
    for row in rows:
        name = str(row[place]).replace(".*", ".co.uk")
        given |= {name, f"{name}.", f"www.{name}", f"mail.{name}", f"a.search.{name}", f"x{name}"}
    given |= {str(row[list(columns).index("source")]) for row in rows}
    bench.given(
        "marts.event_contexts",
        [{"id": str(n), "referrer_host": name} for n, name in enumerate(sorted(given))],
    )
    bench.build("referrers")
    found = dict(bench.rows("select name, source from marts.referrers"))
    assert found.keys() == given
    assert {name: names.of(name) for name in given} == found
    assert len(given) > 5_000
