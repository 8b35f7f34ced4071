"""Structured rules: every mistake told at once with what was meant, and a few read by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engagement.as_of import whole_day
from engagement.audience import segments
from engagement.audience.happenings import known, properties
from engagement.audience.looking import check as check_parameters
from engagement.audience.looking import look, named
from engagement.audience.rendering import threshold
from engagement.audience.rules import TABLES, Happening
from engagement.audience.segments import AudienceError, Segment
from engagement.models import inputs
from engagement.models.definition import documented
from engagement.settings import ROOT, Settings, load_settings
from engagement.sql.dialect import check, tables
from engagement.warehouse import Table, Warehouse, open_warehouse
from tests.audience import worlds
from tests.audience.worlds import AS_OF, END, Document, World

MakeSettings = Callable[..., Settings]


def write(folder: Path, name: str, who: str, more: str = "") -> Path:
    path = folder / f"{name}.yaml"
    text = f"name: {name}\ndescription: Some.\nchannels: [email]\n{more}who:\n{who}\n"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, who: str, more: str = "") -> list[str]:
    """What is wrong with a rule, in its file or against what there is by the documents."""
    try:
        segment = segments.load(write(folder, "some", who, more))
        segments.checked(segment, known(load_settings("params/local.yaml")))
    except AudienceError as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (
            (
                "  all:\n"
                "    - {feature: spend_totl, at_least: 100}\n"
                "    - {did: {concept: product_viewd}}\n"
                "    - {did: {concept: product_viewed, where: [{property: categry, is: a}]}}\n"
                "    - {did: {event: Coupon Aplied}}\n"
                "    - {did: {from: orders, sum: {of: net_revenu, at_least: 1}}}\n"
                "    - {did: {from: orders, sum: {of: coupon, at_least: 1}}}\n"
            ),
            [
                (
                    "who.all.0.feature: marts.customer_360 has no column 'spend_totl'; did you "
                    "mean 'spend_total'?"
                ),
                (
                    "who.all.1.did.concept: there is no concept 'product_viewd'; did you mean "
                    "'product_viewed'?"
                ),
                (
                    "who.all.2.did.where.0: product_viewed has no property 'categry'; did you "
                    "mean 'category'?"
                ),
                (
                    "who.all.3.did.event: no event named 'Coupon Aplied' was received, and the "
                    "tracking plan has none; did you mean 'Coupon Applied'?"
                ),
                (
                    "who.all.4.did.sum: orders has no property 'net_revenu'; did you mean "
                    "'net_revenue'?"
                ),
                "who.all.5.did.sum: coupon is varchar, not a number",
            ],
        ),
        (
            (
                "  any:\n"
                "    - {feature: plan, at_least: 1}\n"
                "    - {feature: orders_total, is: many}\n"
                "    - {feature: is_bot, is: 'false'}\n"
                "    - {feature: first_order_date, at_least: soon}\n"
                "    - {feature: first_order_date, within: {hours: 3}}\n"
                "    - {feature: orders_total, is: true}\n"
            ),
            [
                (
                    "who.any.0.feature: plan is text: 'at_least' does not apply to it; use "
                    "contains, has, is, is_not, missing, none_of, one_of, starts_with"
                ),
                "who.any.1.feature: orders_total is a number, 'many' is text",
                "who.any.2.feature: is_bot is true or false, 'false' is text",
                (
                    "who.any.3.feature: first_order_date is a date or time, 'soon' is not one, "
                    "such as 2026-10-30"
                ),
                "who.any.4.feature: first_order_date is a day: write days, not hours",
                "who.any.5.feature: orders_total is a number, True is true or false",
            ],
        ),
    ],
)
def test_what_there_is_not_is_told_with_the_nearest(
    tmp_path: Path, who: str, expected: list[str]
) -> None:
    assert problems(tmp_path, who) == expected


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("  {}", "write exactly one of all, any, not, feature"),
        ("  {all: [], any: []}", "needs at least 1 item"),
        ("  {segment: a, feature: plan}", "who.feature: write keys with their values"),
        ("  {feature: plan}", "compared with nothing"),
        ("  {feature: plan, iz: a}", "who.feature.iz: there is no such key"),
        ("  {feature: plan, is: null}", "has no value; for a missing one, write missing: true"),
        ("  {feature: spend_total, at_least: .inf}", "write a number"),
        ("  {did: {within: {days: 3}}}", "exactly one of concept, event, from (given: none)"),
        ("  {did: {from: refunds}}", "write 'orders'"),
        ("  {did: {from: orders, within: {days: 3, hours: 2}}}", "exactly one of days, hours"),
        ("  {did: {from: orders, within: {days: 0}}}", "write 1 or more"),
        ("  {did: {from: orders, count: {}}}", "write exactly, or at_least and at_most"),
        ("  {did: {from: orders, count: {at_least: 3, at_most: 2}}}", "nothing is at least 3"),
        ("  {did: {from: orders, when: first}}", "needs within, before or both"),
        ("  {did: {from: orders, when: last, within: {days: 1}, count: {exactly: 2}}}",
         "is one moment"),
        ("  {did: {from: orders, count: {atleast: 2}}}", "did you mean 'at_least'?"),
        ("  {sequence: {first: {from: orders}}}", "who.sequence.then: is missing"),
        ("  {segment: Robert'); drop}", "who.segment"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_read_is_refused(tmp_path: Path, who: str, why: str) -> None:
    assert why in "\n".join(problems(tmp_path, who))


def test_a_rule_has_to_be_there(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("name: some\ndescription: Some.\nchannels: [email]\n", encoding="utf-8")
    with pytest.raises(AudienceError, match="write one of them, or both"):
        segments.load(path)


def test_a_rule_of_too_many_parts_is_refused(tmp_path: Path) -> None:
    parts = "".join("    - {feature: plan, missing: true}\n" for _ in range(600))
    assert problems(tmp_path, f"  all:\n{parts}") == ["who: has 601 parts; a rule has at most 500"]


def test_segments_may_refer_to_each_other_but_not_in_a_circle(tmp_path: Path) -> None:
    write(tmp_path, "first", "  {feature: is_identified, is: true}")
    write(tmp_path, "second", "  not: {segment: first}")
    third = segments.load(write(tmp_path, "third", "  any: [{segment: second}, {segment: first}]"))
    assert sorted(third.others) == ["first", "second"]
    write(tmp_path, "first", "  all: [{segment: third}]")
    with pytest.raises(AudienceError, match="third -> second -> first -> third"):
        segments.load(tmp_path / "third.yaml")
    write(tmp_path, "first", "  {segment: first}")
    with pytest.raises(AudienceError, match="first -> first"):
        segments.load(tmp_path / "first.yaml")
    assert problems(tmp_path, "  {segment: secnd}") == [
        "who.segment: there is no segment 'secnd'; did you mean 'second'?"
    ]


def test_segments_that_refer_to_each_other_again_and_again_are_refused(tmp_path: Path) -> None:
    """Thirty files of two references each would be a rule of a billion parts."""
    write(tmp_path, "s0", "  {feature: plan, is: a}")
    for n in range(1, 31):
        write(tmp_path, f"s{n}", f"  any: [{{segment: s{n - 1}}}, {{not: {{segment: s{n - 1}}}}}]")
    assert segments.load(tmp_path / "s5.yaml").name == "s5"
    with pytest.raises(AudienceError, match="with the segments that it refers to"):
        segments.load(tmp_path / "s30.yaml")
    with pytest.raises(AudienceError, match="with the segments that it refers to"):
        segments.load_all(tmp_path)


def test_nobody_fills_in_other_segments_from_a_file(tmp_path: Path) -> None:
    found = problems(tmp_path, "  {feature: plan, missing: true}", "others: {a: b}\n")
    assert found[0].startswith("others: there is no such key")


def test_the_definition_changes_with_the_rule_and_with_that_of_others(tmp_path: Path) -> None:
    write(tmp_path, "inner", "  {feature: plan, is: a}")
    outer = write(tmp_path, "outer", "  {segment: inner}")
    before = segments.load(outer).definition
    assert segments.load(outer).definition == before
    outer.write_text(outer.read_text().replace("Some.", "Others."))
    assert segments.load(outer).definition == before
    write(tmp_path, "inner", "  {feature: plan, is: b}")
    assert segments.load(outer).definition != before


# --- read by hand -------------------------------------------------------------------------------


@pytest.fixture
def shop(make_settings: MakeSettings) -> Callable[..., tuple[Warehouse, Settings]]:
    """A shop with the people ann, ben and cat, and with these orders and views of products.

    Moments are hours before the as-of moment, which is midnight in New York.
    """

    def make(
        views: Sequence[tuple[Any, ...]] = (),
        orders: Sequence[tuple[str, float]] = (),
        prices: Sequence[tuple[str, int, str | None]] = (),
        **more: Any,
    ) -> tuple[Warehouse, Settings]:
        parameters = make_settings(timezone="America/New_York", **more)
        warehouse = open_warehouse(parameters)
        content = World(
            customers=[{"person_id": one} for one in ("ann", "ben", "cat")],
            events={
                "product_viewed": [
                    {"id": f"{n}", "received_at_utc_date": "2026-03-10", "person_id": who,
                     "received_at": END - timedelta(hours=1), "price": 10.0,
                     "moment": END - timedelta(hours=hours), "is_bot": False,
                     **(own[0] if own else {})}
                    for n, (who, hours, *own) in enumerate(views)
                ],
                "coupon_applied": [],
            },
            orders=[
                {"order_id": f"{n}", "person_id": who, "status": "completed", "is_bot": False,
                 "net_revenue": Decimal("10.00"), "moment": END - timedelta(hours=hours)}
                for n, (who, hours) in enumerate(orders)
            ],
            carts=[],
            exclude_bots=True,
            product_prices=[
                {"product": product, "price_date": AS_OF - timedelta(days=days),
                 "name": f"{product} of {days}", "price": None if price is None else Decimal(price)}
                for product, days, price in prices
            ],
        )  # fmt: skip
        with warehouse.session(write=True) as session:
            worlds.publish(session, content)
        return warehouse, parameters

    return make


def people(at: tuple[Warehouse, Settings], who: Document, **more: Any) -> list[str]:
    document = {"name": "some", "description": "S.", "channels": ["email"], "who": who, **more}
    warehouse, parameters = at
    found = segments.select(warehouse, Segment.model_validate(document), AS_OF, settings=parameters)
    return [row["person_id"] for row in found.rows()]


def test_days_are_whole_days_and_hours_go_back_from_the_moment(shop: Any) -> None:
    """Ann viewed 23 hours ago, on the as-of day; Ben 25 hours ago, on the day before."""
    at = shop(views=[("ann", 23), ("ben", 25)])
    view = {"concept": "product_viewed"}
    assert people(at, {"did": {**view, "within": {"days": 1}}}) == ["ann"]
    assert people(at, {"did": {**view, "before": {"days": 1}}}) == ["ben"]
    assert people(at, {"did": {**view, "within": {"hours": 23}}}) == ["ann"]
    assert people(at, {"did": {**view, "within": {"hours": 25}}}) == ["ann", "ben"]
    assert people(at, {"did_not": {**view, "within": {"days": 2}}}) == ["cat"]


def test_the_first_and_the_last_time_are_one_moment(shop: Any) -> None:
    """Ann ordered 10 days and an hour ago, Ben an hour ago, Cat 10 days ago."""
    at = shop(orders=[("ann", 240), ("ann", 1), ("ben", 1), ("cat", 240)])
    order = {"from": "orders", "within": {"days": 3}}
    assert people(at, {"did": order}) == ["ann", "ben"]
    assert people(at, {"did": {**order, "when": "first"}}) == ["ben"]
    assert people(at, {"did": {"from": "orders", "before": {"days": 3}, "when": "last"}}) == ["cat"]


def test_never_is_a_count(shop: Any) -> None:
    at = shop(orders=[("ann", 1), ("ann", 2), ("ben", 1)])

    def count(**bounds: int) -> list[str]:
        return people(at, {"did": {"from": "orders", "count": bounds}})

    assert count(exactly=0) == ["cat"]
    assert count(at_most=1) == ["ben", "cat"]
    assert count(at_least=0) == ["ann", "ben", "cat"]
    assert count(at_least=2) == ["ann"]


def test_one_after_another_and_nothing_between(shop: Any) -> None:
    """Ann viewed, then ordered two hours later. Ben ordered first. Cat viewed, ordered, viewed."""
    at = shop(
        views=[("ann", 10), ("ben", 8), ("cat", 10), ("cat", 4)],
        orders=[("ann", 8), ("ben", 10), ("cat", 6)],
    )
    view, order = {"concept": "product_viewed"}, {"from": "orders"}
    assert people(at, {"sequence": {"first": view, "then": order}}) == ["ann", "cat"]
    soon = {"first": view, "then": order, "within": {"hours": 2}}
    assert people(at, {"sequence": soon}) == ["ann"]
    again = {"first": view, "then": view}
    assert people(at, {"sequence": again}) == ["cat"]
    assert people(at, {"sequence": {**again, "without": order}}) == []


def test_what_happens_at_the_same_moment_is_not_one_after_another(shop: Any) -> None:
    at = shop(views=[("ann", 5)], orders=[("ann", 5)])
    steps = {"first": {"concept": "product_viewed"}, "then": {"from": "orders"}}
    assert people(at, {"sequence": steps}) == []


def test_a_price_drop_is_the_day_s_price_of_a_view_above_the_latest(shop: Any) -> None:
    """The lamp cost 20.00 two days ago, 15.00 and no price since. The mug cost 8.00, then 10.00.

    Ann viewed the lamp on either day, first when it was dearer; Ben only when it had its latest
    price; Cat the mug before it became dearer, the lamp on a day on which nobody saw a price, and
    something that has no price at all.
    """
    at = shop(
        views=[
            ("ann", 50, {"product_id": "lamp", "sku": "mug"}),
            ("ann", 26, {"name": "lamp"}),
            ("ben", 26, {"sku": "lamp"}),
            ("cat", 50, {"product_id": "mug"}),
            ("cat", 80, {"product_id": "lamp"}),
            ("cat", 50, {"product_id": "rug"}),
        ],
        prices=[
            ("lamp", 2, "20.00"), ("lamp", 1, "15.00"), ("lamp", 0, None), ("lamp", 4, "30.00"),
            ("mug", 2, "8.00"), ("mug", 1, "10.00"),
        ],
    )  # fmt: skip

    def drops(*where: Document, **more: Any) -> list[str]:
        conditions = {"where": list(where)} if where else {}
        return people(at, {"did": {"from": "price_drops", **conditions, **more}})

    assert drops() == ["ann"]
    # From 20.00 to 15.00: by a quarter. The name is that of the day of the latest price.
    assert drops({"property": "drop_share", "is": 0.25}) == ["ann"]
    assert drops({"property": "price_then", "is": 20}, {"property": "price_now", "is": 15}) == [
        "ann"
    ]
    assert drops(
        {"property": "name", "is": "lamp of 1"}, {"property": "product", "is": "lamp"}
    ) == ["ann"]
    # Of her two views one is a drop; its day is that of the view, the last but two.
    assert drops(count={"exactly": 1}) == ["ann"]
    assert drops(within={"days": 3}) == ["ann"]
    assert drops(within={"days": 2}) == []


def test_a_sample_is_the_same_people_every_day_and_grows_with_its_share(shop: Any) -> None:
    at = shop()
    everybody = {"did_not": {"from": "orders"}}
    smaller = set[str]()
    for share in (0.2, 0.5, 0.9, 1.0):
        found = set(people(at, everybody, sample=share))
        assert smaller <= found
        smaller = found
    assert smaller == {"ann", "ben", "cat"}


def test_shares_of_a_hash_are_cut_exactly() -> None:
    assert [threshold(share) for share in (0.5, 0.1, 0.999999999999)] == [
        "80000000", "1999999a", "ffffffff",
    ]  # fmt: skip


def test_data_never_becomes_sql(shop: Any) -> None:
    at = shop()
    evil = "x' or '1'='1'; drop table marts.customer_360; --"
    assert people(at, {"feature": "plan", "is": evil}) == []
    assert people(at, {"feature": "plan", "contains": evil}) == []
    assert people(at, {"feature": "plan", "is_not": evil}) == ["ann", "ben", "cat"]


# --- the library --------------------------------------------------------------------------------


def test_every_segment_of_the_library_is_portable(make_settings: MakeSettings) -> None:
    parameters = make_settings()
    there = known(parameters)
    for one in segments.load_all(ROOT / "params/segments"):
        segments.checked(one, there)
        query = segments.query(one, there)
        read = {str(t): documented(t.name) or {} for t in _marts(query)}
        sources = {
            f"sources.{name}": inputs.contracts().columns(name)
            for name in inputs.contracts().sources
        }
        check(query, source=one.name, tables={**read, **sources}, parameters=inputs.PARAMETERS)


def _marts(query: Any) -> list[Table]:
    return [table for table in tables(query) if table.database == "marts"]


def test_everything_that_happens_has_documented_properties(make_settings: MakeSettings) -> None:
    for name in TABLES:
        found = properties(Happening.model_validate({"from": name}), known(make_settings()))
        assert found, name


def test_a_look_shows_rule_sql_size_and_reach(shop: Any) -> None:
    at = shop(orders=[("ann", 1)])
    one = Segment.model_validate(
        {"name": "some", "description": "S.", "channels": ["email"],
         "who": {"did": {"from": "orders"}}}
    )  # fmt: skip
    warehouse, parameters = at
    shown = look(warehouse, parameters, one, whole_day(AS_OF, parameters.timezone))
    assert (shown.people, shown.customers) == (1, 3)
    assert "FROM marts.orders" in shown.sql
    assert shown.change == "; there is no snapshot of an earlier day"
    assert dict(shown.rule)["who"] == "{did: {from: orders}}"
    counted = {row.outcome: row.people for row in shown.reach.itertuples() if row.people}
    assert counted == {"no_address": 1}


def test_a_segment_is_found_by_name_or_told_with_the_nearest(make_settings: MakeSettings) -> None:
    settings = make_settings()
    assert named(settings, "vip").name == "vip"
    assert named(settings, "params/segments/vip.yaml").name == "vip"
    with pytest.raises(AudienceError, match="did you mean 'vip'"):
        named(settings, "vipp")


def test_moments_of_rules_are_dates_and_times() -> None:
    assert date.fromisoformat("2026-03-10") == AS_OF
    assert datetime(2026, 3, 11, 4) == END  # midnight in New York, in summer already


def test_what_the_parameters_say_of_segments_is_checked_before_anything_runs(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    path = write(tmp_path, "some", "  {feature: plan, is: a}", "topic: offer\n")
    settings = make_settings(
        audience__segment=str(path),
        audience__priority=["som", "some"],
        audience__topics={"offers": "wants_offers"},
        audience__suppression=["nobody.csv", "marts.do_not_contact"],
    )
    with pytest.raises(AudienceError) as caught:
        check_parameters(settings)
    assert caught.value.problems == [
        "audience.priority: there is no segment 'som'; did you mean 'some'?",
        "topic of some: audience.topics has no 'offer'; did you mean 'offers'?",
        "audience.suppression: there is no file nobody.csv",
    ]
    write(tmp_path, "other", "  {feature: plan}")
    with pytest.raises(AudienceError, match=r"the segment other\.yaml"):
        check_parameters(settings)
    assert check_parameters(make_settings()).name == "recent_buyers"
