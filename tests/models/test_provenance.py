"""Tables of different parameters never mix; one that a table does not use changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from engagement.models import provenance
from engagement.models.inputs import PARAMETERS
from engagement.models.runner import Built, ModelError, build
from tests.models.conftest import Bench, _OneSession

EVENTS = [
    {"id": "1", "anonymous_id": "d", "timestamp": "2026-01-10 10:00", "type": "track"},
    {"id": "2", "anonymous_id": "d", "timestamp": "2026-01-10 23:30", "type": "track"},
]
EARLIER = ("people", "behaviour", "commerce", "customer")


def built(
    bench: Bench, layers: Sequence[str] = EARLIER, only: Sequence[str] | None = None
) -> Mapping[str, str]:
    warehouse = _OneSession(bench.session)
    found: list[Built] = build(warehouse, bench.settings, bench.as_of, layers, only=only)  # type: ignore[arg-type]
    return {one.model: one.status for one in found}


def given(bench: Bench) -> Bench:
    bench.given("sources.events", EVENTS)
    return bench


def test_every_parameter_of_a_model_names_its_setting() -> None:
    assert provenance._KEYS.keys() == PARAMETERS.keys()


def test_a_parameter_that_a_table_does_not_use_leaves_it_as_it_is(
    make_bench: Callable[..., Bench],
) -> None:
    built(given(make_bench()))
    other = make_bench(funnel__window_days=3)
    assert set(built(other).values()) == {"unchanged"}
    changed = built(make_bench(sessions__gap_minutes=20))
    assert {name for name, status in changed.items() if status == "built"} >= {"session_events"}
    assert changed["identity_map"] == "unchanged"


def test_a_table_of_another_time_zone_is_refused_with_what_differs(
    make_bench: Callable[..., Bench],
) -> None:
    built(given(make_bench()))
    other = make_bench(timezone="Asia/Tokyo")
    with pytest.raises(ModelError) as caught:
        built(other, ["dashboards"])
    text = str(caught.value)
    assert "timezone: UTC before, Asia/Tokyo now (marts." in text
    assert "models.stale: rebuild" in text
    assert "funnel" not in text


def test_or_built_again_with_all_that_it_reads(make_bench: Callable[..., Bench]) -> None:
    built(given(make_bench()))
    other = make_bench(timezone="Asia/Tokyo", models__stale="rebuild")
    done = built(other, ["dashboards"])
    assert done["session_events"] == "built"
    # 23:30 in UTC is the day after in Tokyo.
    days = other.rows("select day, events from marts.daily_overview where events > 0 order by day")
    assert [(str(day)[:10], events) for day, events in days] == [
        ("2026-01-10", 1),
        ("2026-01-11", 1),
    ]


def test_a_table_as_of_another_day_is_refused(make_bench: Callable[..., Bench]) -> None:
    built(given(make_bench()))
    with pytest.raises(ModelError, match=r"as_of: 2026-01-31 .* before, 2026-01-30 "):
        built(make_bench("2026-01-30"), ["dashboards"])


def test_another_mapping_of_events_is_refused(make_bench: Callable[..., Bench]) -> None:
    built(given(make_bench()))
    with pytest.raises(ModelError, match=r"events\.order_completed: "):
        built(make_bench(events__order_completed="purchase"), ["dashboards"])


def test_a_version_keeps_its_settings() -> None:
    settings = {"timezone": "Europe/Berlin", "events.order_completed": '{"names": ["Käufe"]}'}
    assert provenance.built_with(provenance.version("ab12", settings)) == settings
    assert provenance.built_with("a version of before") == {}
