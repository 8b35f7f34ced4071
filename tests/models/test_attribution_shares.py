"""attribution_decays and attribution_shares: six models over the same journeys, to the cent."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.models.test_attribution_credits import order, touch

DAY = 86_400_000
Row = dict[str, Any]


def journey(order_id: str, *channels: str, days: list[float] | None = None) -> list[Row]:
    """Touches of an order, ``days`` before it (all at once where that is left out)."""
    ago = days or [0.0] * len(channels)
    return [
        touch(
            order_id,
            number,
            channel,
            touches=len(channels),
            milliseconds_to_order=round(before * DAY),
        )
        for number, (channel, before) in enumerate(zip(channels, ago, strict=True), 1)
    ]


def shares(bench: Any, touches: list[Row], orders: list[Row], column: str = "credit") -> Any:
    """Build, and give each model's credits by order: ``{model: {order: [credit, …]}}``."""
    bench.given("marts.attribution_journeys", touches)
    bench.given("marts.orders", orders)
    bench.build("attribution_credits", "attribution_decays", "attribution_shares")
    found: dict[str, dict[str, dict[int, Any]]] = {}
    for model, order_id, number, value in bench.rows(
        f"select model, order_id, touch_number, {column} as v from marts.attribution_shares"
        " order by model, order_id, touch_number"
    ):
        found.setdefault(model, {}).setdefault(order_id, {})[number] = value
    return found


def D(*texts: str) -> dict[int, Decimal]:  # noqa: N802
    return {n: Decimal(text) for n, text in enumerate(texts, 1)}


def test_the_classic_journey_of_four_touches(bench: Any) -> None:
    """Search, mail, social, mail; 21, 14, 7 and 0 days before an order of 100. The last weighs
    8 of 15 by time, the others 4, 2 and 1.
    """
    touches = journey("o", "Paid Search", "Email", "Organic Social", "Email", days=[21, 14, 7, 0])
    found = shares(bench, touches, [order("o", "100.00")])
    assert {model: of["o"] for model, of in found.items()} == {
        "first": {1: Decimal(1)},
        "last": {4: Decimal(1)},
        "last_non_direct": {4: Decimal(1)},
        "linear": D("0.25", "0.25", "0.25", "0.25"),
        "position": D("0.4", "0.1", "0.1", "0.4"),
        "time_decay": D("0.066667", "0.133333", "0.266667", "0.533333"),
    }
    money = shares(bench, touches, [order("o", "100.00")], "revenue")
    assert money["time_decay"]["o"] == D("6.67", "13.33", "26.67", "53.33")
    assert money["position"]["o"] == D("40.00", "10.00", "10.00", "40.00")


def test_only_last_looks_at_direct_touches(bench: Any) -> None:
    touches = journey("o", "Direct", "Email", "Direct", "Referral", "Direct")
    found = shares(bench, touches, [order("o")])
    assert {model: of["o"] for model, of in found.items()} == {
        "first": {2: Decimal(1)},
        "last": {5: Decimal(1)},
        "last_non_direct": {4: Decimal(1)},
        **{
            key: {2: Decimal("0.5"), 4: Decimal("0.5")}
            for key in ("linear", "position", "time_decay")
        },
    }


def test_a_journey_of_nothing_but_direct_touches_is_shared_among_them(bench: Any) -> None:
    found = shares(bench, journey("o", "Direct", "Direct", "Direct"), [order("o")])
    assert found["first"]["o"] == {1: Decimal(1)}
    assert found["last_non_direct"]["o"] == {3: Decimal(1)}
    assert found["linear"]["o"] == D("0.333333", "0.333333", "0.333334")


def test_an_order_without_a_journey_is_directs_in_every_model(bench: Any) -> None:
    shares(bench, [], [order("o", "7.00")])
    assert bench.rows(
        "select model, touch_number, channel, source, medium, campaign, credit, revenue"
        " from marts.attribution_shares order by model"
    ) == [
        (model, 0, "Direct", "(direct)", "(none)", "(not set)", Decimal(1), Decimal("7.00"))
        for model in ("first", "last", "last_non_direct", "linear", "position", "time_decay")
    ]


@pytest.mark.parametrize(
    ("touches", "expected"),
    [
        (1, ["1"]),
        (2, ["0.5", "0.5"]),
        (3, ["0.4", "0.2", "0.4"]),
        (5, ["0.4", "0.066667", "0.066667", "0.066667", "0.399999"]),
    ],
)
def test_position_by_the_number_of_touches(bench: Any, touches: int, expected: list[str]) -> None:
    found = shares(bench, journey("o", *["Email"] * touches), [order("o")])
    assert found["position"]["o"] == D(*expected)


def test_position_weights_are_a_setting(make_bench: Any) -> None:
    bench = make_bench(attribution__position=[30, 50, 20])
    found = shares(
        bench,
        [*journey("o", *["Email"] * 4), *journey("p", "Email", "Email")],
        [order("o"), order("p")],
    )
    assert found["position"] == {"o": D("0.3", "0.25", "0.25", "0.2"), "p": D("0.5", "0.5")}


def test_the_half_life_is_a_setting_and_counts_milliseconds(make_bench: Any) -> None:
    """A half-life of one day: touches a day apart weigh 1 to 2; half a day apart, 1 to √2."""
    bench = make_bench(attribution__half_life_days=1)
    found = shares(
        bench,
        [
            *journey("o", "Email", "Email", days=[3, 2]),
            *journey("p", "Email", "Email", days=[0.5, 0]),
        ],
        [order("o"), order("p")],
    )
    assert found["time_decay"] == {
        "o": D("0.333333", "0.666667"),
        "p": D("0.414214", "0.585786"),
    }


def test_a_touch_of_long_ago_weighs_nothing(make_bench: Any) -> None:
    bench = make_bench(attribution__half_life_days=0.01, attribution__lookback_days=365)
    touches = journey("o", "Email", "Referral", days=[300, 0])
    assert shares(bench, touches, [order("o")])["time_decay"]["o"] == D("0", "1")


def test_cents_that_do_not_divide_are_the_last_touches(bench: Any) -> None:
    """Three touches, an order of 0.02 and one of -0.10: 0.01 each, and what is left."""
    touches = [*journey("o", *["Email"] * 3), *journey("p", *["Email"] * 3)]
    found = shares(bench, touches, [order("o", "0.02"), order("p", "-0.10")], "revenue")
    assert found["linear"] == {"o": D("0.01", "0.01", "0.00"), "p": D("-0.03", "-0.03", "-0.04")}


def test_the_greatest_amounts_are_shared_out(bench: Any) -> None:
    touches = journey("o", *["Email"] * 3)
    found = shares(bench, touches, [order("o", "9999999999999999.99")], "revenue")["linear"]["o"]
    assert found == D("3333330000000000.00", "3333330000000000.00", "3333339999999999.99")


def test_unvalued_orders_have_credit_and_no_money(bench: Any) -> None:
    touches = journey("o", "Email", "Referral")
    assert shares(bench, touches, [order("o", None)])["linear"]["o"] == D("0.5", "0.5")
    assert bench.rows(
        "select distinct is_converted, revenue, net_revenue from marts.attribution_shares"
    ) == [(False, None, None)]


def test_cancelled_orders_and_bots_are_no_conversions(bench: Any) -> None:
    orders = [order("o", status="cancelled"), order("p", is_bot=True)]
    assert shares(bench, [*journey("o", "Email"), *journey("p", "Email")], orders) == {}


def rounded(share: Fraction, places: str = "0.000001") -> Decimal:
    exact = Decimal(share.numerator) / Decimal(share.denominator)
    return exact.quantize(Decimal(places), ROUND_HALF_UP)


@pytest.mark.parametrize("seed", range(3))
def test_random_journeys_are_those_of_exact_fractions(bench: Any, seed: int) -> None:
    """Up to 40 touches; credits worked out in fractions and the money in cents, by the rules."""
    luck = random.Random(seed)
    touches, orders, expected = [], [], {}
    for number in range(12):
        name = f"o{number}"
        many = luck.choice((1, 2, 3, 7, 40))
        ago = sorted((luck.randrange(30 * DAY) / DAY for _ in range(many)), reverse=True)
        channels = [luck.choice(("Direct", "Email", "Paid Search")) for _ in range(many)]
        touches += journey(name, *channels, days=ago)
        revenue = Decimal(luck.randrange(-500, 100_000)) / 100
        orders.append(order(name, str(revenue)))
        seen = [n for n, channel in enumerate(channels) if channel != "Direct"] or [*range(many)]
        weights = [2.0 ** -(round(ago[n] * DAY) / (7 * DAY)) for n in seen]
        of = {
            "first": {seen[0]: Fraction(1)},
            "last_non_direct": {seen[-1]: Fraction(1)},
            "last": {many - 1: Fraction(1)},
            "linear": {n: Fraction(1, len(seen)) for n in seen},
            "position": position(seen),
            "time_decay": {
                n: Fraction(w) / Fraction(sum(weights)) for n, w in zip(seen, weights, strict=True)
            },
        }
        for model, parts in of.items():
            credits_ = {n + 1: rounded(part) for n, part in parts.items()}
            last = max(credits_)
            credits_[last] = 1 - sum(v for n, v in credits_.items() if n != last)
            money = {
                n: rounded(Fraction(revenue) * Fraction(v), "0.01") for n, v in credits_.items()
            }
            money[last] = revenue - sum(v for n, v in money.items() if n != last)
            expected[model, name] = (credits_, money)
    found = shares(bench, touches, orders)
    money = shares(bench, touches, orders, "revenue")
    for (model, name), (credits_, amounts) in expected.items():
        assert found[model][name] == credits_, (model, name)
        assert money[model][name] == amounts, (model, name)


def position(seen: list[int]) -> dict[int, Fraction]:
    if len(seen) == 1:
        return {seen[0]: Fraction(1)}
    if len(seen) == 2:
        return dict.fromkeys(seen, Fraction(1, 2))
    middle = Fraction(1, 5 * (len(seen) - 2))
    ends = Fraction(2, 5)
    return {n: ends if n in (seen[0], seen[-1]) else middle for n in seen}
