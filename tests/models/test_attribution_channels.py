"""attribution_channels and attribution_sources: seven models by day, with what advertising cost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engagement.models.spend import SpendError, spend
from engagement.settings import SettingsError
from tests.models import shop
from tests.models.shop import session
from tests.models.test_attribution_journeys import touch

MODELS = ("first", "last", "last_non_direct", "linear", "markov", "position", "time_decay")


def give(bench: Any, touches: list[dict[str, Any]], **of: Any) -> None:
    bench.given("marts.touches", touches)
    shop.give(
        bench,
        *("dashboard_entries", "channel_performance", "attribution_journeys"),
        *("attribution_credits", "attribution_decays", "attribution_shares"),
        *("attribution_chains", "attribution_transitions", "attribution_markov"),
        *("attribution_channels", "attribution_sources"),
        **of,
    )


def days_of(bench: Any, *days: tuple[str, str, str]) -> dict[str, Any]:
    """Sessions of one touch each, (name, day, channel), whose orders are given apart."""
    del bench
    return {
        "sessions": [session(name, f"{day} 10:00", channel, person_id="ann")
                     for name, day, channel in days],
        "touches": [touch(name, 1, f"{day} 10:00", channel, campaign="spring")
                    for name, day, channel in days],
    }  # fmt: skip


COSTS = """day,channel,source,medium,campaign,cost,currency
2026-01-01,email,Email,TEST,spring,8.00,
2026-01-01,Email,email,test,autumn,2.00,USD
2026-01-02,Paid Search,google,cpc,,5.00,EUR
2026-03-01,Email,,,,99.00,
"""


@pytest.fixture
def costs(tmp_path: Path) -> str:
    path = tmp_path / "costs.csv"
    path.write_text(COSTS, encoding="utf-8")
    return str(path)


def test_models_side_by_side_with_costs(make_bench: Any, costs: str) -> None:
    """Ann comes by mail, then by a link, and orders for 30.01; mail cost 10 on the day. By Markov
    both channels are in every order, a half each; the first takes what is left of the money.
    """
    bench = make_bench("2026-01-02", attribution__spend=costs)
    of = days_of(bench, ("s1", "01", "Email"), ("s2", "01", "Referral"))
    orders = [shop.order("o", "01 12:00", "s2", "30.01", person_id="ann")]
    give(bench, **of, orders=orders)
    rows = bench.rows(
        "select model, channel, orders, credits, revenue, cost, cost_per_acquisition,"
        " return_on_spend from marts.attribution_channels"
        " where order_date = date '2026-01-01' and channel in ('Email', 'Referral')"
        " order by model, channel"
    )
    all_, none, ten = Decimal("30.01"), Decimal("0.00"), Decimal("10.00")
    half, rest = Decimal("15.01"), Decimal("15.00")
    mail_takes_all = [("Email", 1, 1.0, all_, ten, 10.0, 3.001),
                      ("Referral", 0, 0.0, none, None, None, None)]  # fmt: skip
    link_takes_all = [("Email", 0, 0.0, none, ten, None, 0.0),
                      ("Referral", 1, 1.0, all_, None, None, None)]  # fmt: skip
    halves = [
        ("Email", 1, 0.5, half, ten, 20.0, 1.501),
        ("Referral", 1, 0.5, rest, None, None, None),
    ]
    expected = {
        "first": mail_takes_all,
        "last": link_takes_all,
        "last_non_direct": link_takes_all,
        "linear": halves,
        "markov": [
            ("Email", 1, 0.5, rest, ten, 20.0, 1.5),
            ("Referral", 1, 0.5, half, None, None, None),
        ],
        "position": halves,
        "time_decay": halves,
    }
    found: dict[str, Any] = {}
    for model, *row in rows:
        found.setdefault(model, []).append(tuple(row))
    assert found == expected


def test_every_model_has_every_channel_and_day_costs_too(make_bench: Any, costs: str) -> None:
    """Three channels (one by its cost alone), two days, seven models."""
    bench = make_bench("2026-01-02", attribution__spend=costs)
    of = days_of(bench, ("s1", "01", "Email"), ("s2", "01", "Referral"))
    give(bench, **of, orders=[shop.order("o", "01 12:00", "s2", "30.00", person_id="ann")])
    assert bench.rows(
        "select model, count(*) as n, sum(cost) as c from marts.attribution_channels"
        " group by model order by model"
    ) == [(model, 6, Decimal("15.50")) for model in MODELS]


def test_costs_meet_their_source(make_bench: Any, costs: str) -> None:
    """On the 1st two campaigns cost something, of which one has an order; 5 euros are 5.50."""
    bench = make_bench("2026-01-02", attribution__spend=costs)
    of = days_of(bench, ("s1", "01", "Email"))
    give(bench, **of, orders=[shop.order("o", "01 12:00", "s1", "16.00", person_id="ann")])
    assert bench.rows(
        "select extract(day from order_date) as n, channel, source, medium, campaign, credits,"
        " revenue, cost, cost_per_acquisition, return_on_spend from marts.attribution_sources"
        " where model = 'linear' order by n, source, campaign"
    ) == [
        (1, "Email", "email", "test", "autumn", 0.0, 0, Decimal("2.00"), None, 0.0),
        (1, "Email", "email", "test", "spring", 1.0, 16, Decimal("8.00"), 8.0, 2.0),
        (2, "Paid Search", "google", "cpc", "(not set)", 0.0, 0, Decimal("5.50"), None, 0.0),
    ]
    assert bench.rows("select count(distinct model) as n from marts.attribution_sources") == [(6,)]


def test_costs_are_called_as_the_sources_of_events(make_bench: Any, tmp_path: Path) -> None:
    """A touch of facebook, and costs of fb and of facebook: 3 and 4 on its day. Costs of names that
    no touch has, in any of the four, are told; those of another day than the touch's are not.
    """
    path = tmp_path / "costs.csv"
    path.write_text(
        "day,channel,source,medium,campaign,cost\n"
        "2026-01-01,Paid Social,FB,cpc,spring,3.00\n"
        "2026-01-01,Paid Social,facebook,cpc,spring,4.00\n"
        "2026-01-02,Paid Social,m.facebook.com,cpc,spring,5.00\n"
        "2026-01-02,Paid Social,fb,cpc,Spring,6.00\n"
        "2026-01-02,Display,fb,cpc,spring,7.00\n",
        encoding="utf-8",
    )
    bench = make_bench("2026-01-02", attribution__spend=str(path))
    come = {"source": "facebook", "medium": "cpc", "campaign": "spring"}
    visits = [session("s", "01 10:00", "Paid Social", person_id="ann", **come)]
    touches = [touch("s", 1, "01 10:00", "Paid Social", **come)]
    touches.append(touch("bot", 1, "01 10:00", "Display", is_bot=True, **come))
    orders = [shop.order("o", "01 12:00", "s", "14.00", person_id="ann")]
    give(bench, touches, sessions=visits, orders=orders)
    assert bench.rows(
        "select extract(day from order_date) as n, channel, source, campaign, credits, cost,"
        " return_on_spend, is_cost_untouched from marts.attribution_sources"
        " where model = 'first' order by n, cost"
    ) == [
        (1, "Paid Social", "facebook", "spring", 1.0, Decimal("7.00"), 2.0, False),
        (2, "Paid Social", "facebook", "spring", 0.0, Decimal("5.00"), 0.0, False),
        (2, "Paid Social", "facebook", "Spring", 0.0, Decimal("6.00"), 0.0, True),
        (2, "Display", "facebook", "spring", 0.0, Decimal("7.00"), 0.0, True),
    ]


def test_without_costs_there_are_none(make_bench: Any) -> None:
    bench = make_bench("2026-01-01")
    of = days_of(bench, ("s1", "01", "Email"))
    give(bench, **of, orders=[shop.order("o", "01 12:00", "s1", None, person_id="ann")])
    assert bench.rows(
        "select distinct credits, valued_credits, revenue, average_order_value, cost,"
        " cost_per_acquisition, return_on_spend from marts.attribution_channels"
    ) == [(1.0, 0.0, Decimal("0.00"), None, None, None, None)]
    assert bench.rows("select distinct is_cost_untouched from marts.attribution_sources") == [
        (False,)
    ]


def test_without_orders_there_is_no_credit(make_bench: Any) -> None:
    bench = make_bench("2026-01-01")
    give(bench, **days_of(bench, ("s1", "01", "Email")))
    for table in ("attribution_markov", "attribution_channels", "attribution_sources"):
        assert bench.rows(f"select count(*) as n from marts.{table}") == [(0,)]


# --- the table of costs ---------------------------------------------------------------------------

CHANNELS = ("Email", "Paid Search")


def read(tmp_path: Path, text: str) -> list[tuple[Any, ...]]:
    path = tmp_path / "costs.csv"
    path.write_text(text, encoding="utf-8")
    return spend(path, CHANNELS, "USD", {"EUR": Decimal("1.10"), "BIG": Decimal(10**9)})


def test_costs_are_read_in_any_order_of_columns(tmp_path: Path) -> None:
    text = (
        "\ufeffcost,Day,channel,currency\n0.015,2026-01-02,paid search,EUR\n\n1,2026-01-01,EMAIL,\n"
    )
    assert read(tmp_path, text) == [
        ("2026-01-01", "Email", "(not set)", "(not set)", "(not set)", 100),
        ("2026-01-02", "Paid Search", "(not set)", "(not set)", "(not set)", 2),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "costs.csv: the header is missing: day, channel, cost"),
        ("day,cost\n", "costs.csv: the column channel is missing"),
        ("day,channel,cost,chanel\n", "there is no column 'chanel'; did you mean 'channel'?"),
        ("day,channel,cost,cost\n", "costs.csv: a column is named twice"),
        ("day,channel,cost\n2026-1-1,Email,1\n", "line 2: '2026-1-1' is no day such as 2026-05-31"),
        ("day,channel,cost\n2026-01-01,Emial,1\n", "there is no channel 'Emial'; did you mean"),
        ("day,channel,cost\n2026-01-01,Email,-1\n", "'-1' is no amount from 0 to below"),
        ("day,channel,cost\n2026-01-01,Email,nan\n", "'nan' is no amount from 0 to below"),
        ("day,channel,cost\n2026-01-01,Email,1e10\n", "'1e10' is no amount from 0 to below"),
        ("day,channel,cost\n2026-01-01,Email,a lot\n", "'a lot' is no amount such as 1250.00"),
        ("day,channel,cost\n2026-01-01,Email\n", "line 2: 2 cells, the header has 3"),
        (
            "day,channel,cost,currency\n2026-01-01,Email,9999999999,BIG\n",
            "'9999999999' BIG is more than a table of money holds",
        ),
        (
            "day,channel,cost,currency\n2026-01-01,Email,1,JPY\n",
            "there is no rate for 'JPY' in currency.rates",
        ),
        (
            "day,channel,cost\n2026-01-01,Email,1\n2026-01-01,email,2\n",
            "line 3: line 2 has the same key",
        ),
    ],
)
def test_mistakes_in_costs_are_told(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SpendError) as error:
        read(tmp_path, text)
    assert problem in str(error.value)


def test_all_mistakes_are_told_together_and_no_more_than_twenty(tmp_path: Path) -> None:
    with pytest.raises(SpendError) as error:
        read(tmp_path, "day,channel,cost\n" + "x,Email,1\n" * 25)
    assert len(error.value.problems) == 21
    assert error.value.problems[-1] == "costs.csv: 5 more mistakes"


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpendError, match="there is no such file"):
        spend(tmp_path / "none.csv", CHANNELS, "USD", {})
    (tmp_path / "costs.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(SpendError, match="no UTF-8 text"):
        spend(tmp_path / "costs.csv", CHANNELS, "USD", {})


def test_costs_with_mistakes_stop_before_any_model(make_bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    path.write_text("day,channel,cost\n2026-01-01,Nothing,1\n", encoding="utf-8")
    bench = make_bench(attribution__spend=str(path))
    bench.given("marts.customer_360", [])
    with pytest.raises(SettingsError, match="there is no channel 'Nothing'"):
        bench.build("rfm_grid")
