"""What baselines learn from, and what they say: small cases by hand."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from math import sqrt
from typing import Any

import pytest
from sqlglot import exp

from engagement.models.runner import models
from engagement.personalize import experiments
from tests.models.conftest import Bench

END = int(datetime(2026, 2, 1, tzinfo=UTC).timestamp())  # as of the end of 2026-01-31
DAY = 86_400


def met(person: str, item: str, days: float = 0, kind: str = "View", **more: Any) -> dict[str, Any]:
    """An interaction so many days before the as-of moment."""
    seconds = END - int(days * DAY)
    happened = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return {"user_id": f"u-{person}", "person_id": person, "item_id": item, "event_type": kind,
            "epoch_seconds": seconds, "happened_at": happened, **more}  # fmt: skip


def is_tested(person: str) -> bool:
    number = int(hashlib.sha256(f"split:{person}".encode()).hexdigest()[:8], 16)
    return number < 2**32 / 10


TESTED = [name for n in range(400) if is_tested(name := f"tested{n}")]
TRAINED = [name for n in range(40) if not is_tested(name := f"trained{n}")]


def given(bench: Bench, *interactions: dict[str, Any]) -> None:
    bench.given("marts.personalize_interactions", interactions)
    bench.given(
        "marts.personalize_items",
        [
            {"item_id": item, "category": CATEGORIES.get(item)}
            for item in sorted({one["item_id"] for one in interactions})
        ],
    )


CATEGORIES = {"pan": "Kitchen", "pot": "Kitchen > Pots", "bed": '["Home|Sale", "Big"]'}


# --- the split ----------------------------------------------------------------------------------


def roles(bench: Bench, *interactions: dict[str, Any]) -> dict[tuple[str, str, str, int], str]:
    given(bench, *interactions)
    bench.build("recommendation_events")
    rows = bench.rows(
        "select person_id, product_id, event_type, epoch_seconds, role "
        "from marts.recommendation_events"
    )
    return {row[:4]: row[4] for row in rows}


def test_of_those_who_are_tested_the_newest_tenth_is_asked_for(bench: Bench) -> None:
    """10 interactions: nine go in. 11: floor(9.9) = 9 go in, 2 are the truth. 2: one and one."""
    ten, eleven, two, one = TESTED[:4]
    found = roles(
        bench,
        *(met(ten, f"p{n}", days=n) for n in range(10)),
        *(met(eleven, f"p{n}", days=n) for n in range(11)),
        *(met(two, f"p{n}", days=n) for n in range(2)),
        met(one, "p0"),
        met(TRAINED[0], "p0"),
        met(TRAINED[0], "p1", days=1),
    )
    counts = {
        (person, role): sum(key[0] == person and value == role for key, value in found.items())
        for person in (ten, eleven, two, one, TRAINED[0])
        for role in ("train", "input", "truth", "short")
    }
    assert {key: count for key, count in counts.items() if count} == {
        (ten, "input"): 9, (ten, "truth"): 1,
        (eleven, "input"): 9, (eleven, "truth"): 2,
        (two, "input"): 1, (two, "truth"): 1,
        (one, "short"): 1,
        (TRAINED[0], "train"): 2,
    }  # fmt: skip
    assert found[ten, "p0", "View", END] == "truth"
    assert {key[1] for key, role in found.items() if key[0] == eleven and role == "truth"} == {
        "p0",
        "p1",
    }


def test_of_one_second_the_larger_product_then_the_larger_type_is_newer(bench: Bench) -> None:
    person, other = TESTED[:2]
    found = roles(
        bench,
        met(person, "b"),
        met(person, "a"),
        met(other, "a", kind="View"),
        met(other, "a", kind="Purchase"),
    )
    assert {key[:3] for key, role in found.items() if role == "truth"} == {
        (person, "b", "View"),
        (other, "a", "View"),
    }


def test_random_histories_are_split_as_the_definition_says(bench: Bench) -> None:
    """By another way: sort, cut after floor(0.9 n), for people of any number of interactions."""
    draw = random.Random(5)
    people = [*TESTED[:25], *TRAINED[:5]]
    rows = {
        (person, f"p{draw.randrange(6)}", draw.choice(("View", "Purchase")), draw.randrange(5))
        for person in people
        for _ in range(draw.randrange(1, 40))
    }
    found = roles(bench, *(met(p, item, kind=kind, days=day) for p, item, kind, day in rows))
    expected = {}
    for person in people:
        own = sorted(((END - day * DAY), item, kind) for p, item, kind, day in rows if p == person)
        into = len(own) * 9 // 10
        for place, (seconds, item, kind) in enumerate(own):
            role = "input" if place < into else "truth"
            if not is_tested(person):
                role = "train"
            elif len(own) == 1:
                role = "short"
            expected[person, item, kind, seconds] = role
    assert found == expected


def test_about_a_tenth_of_people_is_tested() -> None:
    assert 850 < sum(is_tested(f"person {n}") for n in range(10_000)) < 1_150


# --- interest -----------------------------------------------------------------------------------


def test_weights_fade_to_a_half_after_the_half_life(bench: Bench) -> None:
    """View counts 0.2, Purchase 1; 30 days halve the interest, 7 the trend; unknown types are 1."""
    given(
        bench,
        met("ann", "pan", days=0, kind="Purchase"),
        met("ann", "pot", days=30, kind="Purchase"),
        met("ann", "bed", days=90.5, kind="Purchase"),
        met("ben", "pan", days=7, kind="View"),
        met("cid", "pan", days=-3, kind="Look"),
    )
    bench.build("recommendation_events")
    assert bench.rows(
        "select person_id, product_id, age_days, weight, interest, trend "
        "from marts.recommendation_events order by 1, 2"
    ) == [
        ("ann", "bed", 90, 1000, 250_000, 72_164),  # 30 / 120; 7 / 97
        ("ann", "pan", 0, 1000, 1_000_000, 1_000_000),
        ("ann", "pot", 30, 1000, 500_000, 189_189),  # 7 / 37
        ("ben", "pan", 7, 200, 162_162, 100_000),  # 0.2 × 30 / 37; 0.2 × 7 / 14
        ("cid", "pan", 0, 1000, 1_000_000, 1_000_000),
    ]


def test_a_hundred_views_say_no_more_than_one(bench: Bench) -> None:
    tested = TESTED[0]
    given(
        bench,
        *(met("ann", "pan", days=n / 100) for n in range(100)),
        met("ann", "pan", days=2, kind="AddToCart"),
        met("ann", "pan", days=40, kind="Purchase"),
        met(tested, "pan", days=3),
        met(tested, "pan", days=1, kind="Purchase"),
    )
    bench.build("recommendation_events", "recommendation_affinities")
    assert bench.rows(
        "select person_id, weight, interest, known_weight, truths, purchases "
        "from marts.recommendation_affinities order by 1"
    ) == [
        ("ann", 1000, 562_500, 1000, 0, 1),  # AddToCart 2 days ago: 0.6 × 30 / 32
        (tested, 1000, 967_741, 200, 1, 1),  # the purchase is what is asked for
    ]


# --- lists --------------------------------------------------------------------------------------

SQL = (
    "recommendation_events",
    "recommendation_affinities",
    "recommendation_items",
    "recommendation_neighbours",
    "recommendations_popular",
    "recommendations_similar_items",
)


def test_popular_products_overall_by_category_and_lately(bench: Bench) -> None:
    given(
        bench,
        met("ann", "pan", days=21, kind="Purchase"),
        met("ben", "pan", days=21, kind="Purchase"),
        met("ann", "pot"),
        met("ben", "pot"),
        met("cid", "pot", kind="AddToCart"),
        met("cid", "bed", days=49, kind="Purchase"),
        met("dan", "odd"),
    )
    bench.build(*SQL)
    assert bench.rows(
        "select kind, category, rank, product_id, score from marts.recommendations_popular "
        "order by 1, 2, 3"
    ) == [
        ("category", "Home", 1, "bed", 1.0),
        ("category", "Kitchen", 1, "pan", 2.0),
        ("category", "Kitchen", 2, "pot", 1.0),
        ("overall", "", 1, "pan", 2.0),
        ("overall", "", 2, "bed", 1.0),
        ("overall", "", 3, "pot", 1.0),
        ("overall", "", 4, "odd", 0.2),
        ("trending", "", 1, "pot", 1.0),
        ("trending", "", 2, "pan", 0.5),  # 2 × 7 / 28
        ("trending", "", 3, "odd", 0.2),
        ("trending", "", 4, "bed", 0.125),  # 7 / 56
    ]


def test_neighbours_are_what_the_same_people_are_interested_in(bench: Bench) -> None:
    """Fresh purchases count 1. pan and pot share ann and ben: 2 / sqrt(3 × 2) × 2 / 5."""
    a, b, c, d = TRAINED[:4]
    given(
        bench,
        *(met(person, "pan", kind="Purchase") for person in (a, b, c)),
        *(met(person, "pot", kind="Purchase") for person in (a, b)),
        met(c, "bed", kind="View"),
        met(d, "bed", kind="Purchase"),
    )
    bench.build(*SQL)
    near = round(2 / sqrt(6) * 2 / 5, 6)
    far = round(0.2 / sqrt(3 * 1.2) * 1 / 4, 6)
    assert bench.rows(
        "select product_id, rank, similar_product_id, score "
        "from marts.recommendations_similar_items order by 1, 2"
    ) == [
        ("bed", 1, "pan", far),
        ("pan", 1, "pot", near),
        ("pan", 2, "bed", far),
        ("pot", 1, "pan", near),
    ]


def test_those_who_are_tested_teach_the_tested_methods_nothing(bench: Bench) -> None:
    tested, trained = TESTED[0], TRAINED[0]
    given(
        bench,
        *(met(tested, item, kind="Purchase") for item in ("pan", "pot")),
        *(met(trained, item, kind="Purchase") for item in ("pan", "bed")),
    )
    bench.build(*SQL)
    assert bench.rows(
        "select product_id, other_product_id, score > 0, trained_score, trained_rank "
        "from marts.recommendation_neighbours order by 1, 2"
    ) == [
        ("bed", "pan", True, 0.25, 1),
        ("pan", "bed", True, 0.25, 1),
        ("pan", "pot", True, 0.0, None),
        ("pot", "pan", True, 0.0, None),
    ]


def test_a_person_of_a_thousand_products_makes_2450_pairs(bench: Bench) -> None:
    given(bench, *(met("ann", f"p{n:04}", days=n / 10) for n in range(1_000)))
    bench.build(*SQL)
    assert bench.rows("select count(*), max(product_id) from marts.recommendation_neighbours") == [
        (2_450, "p0049")
    ]


def test_equal_neighbours_stand_by_id_and_25_are_shown(bench: Bench) -> None:
    given(bench, *(met("ann", f"p{n:02}", kind="Purchase") for n in range(30)))
    bench.build(*SQL)
    assert bench.rows(
        "select max(rank), min(similar_product_id), max(similar_product_id) "
        "from marts.recommendations_similar_items where product_id = 'p00'"
    ) == [(25, "p01", "p25")]


# --- lists for people, and how good they are ------------------------------------------------------

PYTHON = (
    "recommendations_for_you",
    "recommendation_evaluation",
    "recommendation_metrics",
    "recommendation_gains",
)


def shop(people: int = 60) -> list[dict[str, Any]]:
    """Half of the people cook, half sleep; each met five products of their kind, in turn."""
    names = [*TRAINED[:30], *TESTED[:30]][:people]
    return [
        met(person, f"{'pan' if n % 2 else 'bed'}{(n + k) % 8}", days=20 - k)
        for n, person in enumerate(names)
        for k in range(5)
    ]


@pytest.mark.parametrize("method", ["co_visitation", "matrix_factorisation"])
def test_cooks_are_shown_pans_and_sleepers_beds(
    make_bench: Callable[..., Bench], method: str
) -> None:
    own = {"for_you": method, "length": 8, "factors": 2}
    bench = make_bench(**{f"recommendations__{key}": value for key, value in own.items()})
    given(bench, *shop())
    bench.build(*SQL, *PYTHON)
    rows = bench.rows(
        "select f.person_id, substr(f.product_id, 1, 3), f.method, min(f.rank), max(f.rank) "
        "from marts.recommendations_for_you as f group by 1, 2, 3"
    )
    assert len({row[0] for row in rows}) == 60
    shown = {(row[0], row[1]): row for row in rows if row[2] == method}
    for n, person in enumerate([*TRAINED[:30], *TESTED[:30]]):
        own = shown[person, "pan" if n % 2 else "bed"]
        assert own[3:] == (1, 8), own


def test_what_was_bought_is_shown_only_if_asked_for(make_bench: Callable[..., Bench]) -> None:
    rows = [*shop(), met(TRAINED[0], "bed0", kind="Purchase")]
    shown = []
    for wanted in (False, True):
        bench = make_bench(recommendations__show_bought=wanted, recommendations__length=100)
        given(bench, *rows)
        bench.build(*SQL, "recommendations_for_you")
        found = bench.rows(
            "select product_id, rank from marts.recommendations_for_you "
            f"where person_id = '{TRAINED[0]}' order by rank"
        )
        assert [rank for _, rank in found] == list(range(1, len(found) + 1))
        shown.append({product for product, _ in found})
    assert shown[1] - shown[0] == {"bed0"}
    assert not shown[0] - shown[1]


def test_methods_that_know_people_beat_popularity(bench: Bench) -> None:
    """Everybody goes to and fro between two products, of 16 that are all as popular."""
    people = [*TRAINED[:30], *TESTED[:30]]
    given(
        bench,
        *(
            met(person, f"p{(n + k % 2) % 16:02}", days=20 - k)
            for n, person in enumerate(people)
            for k in range(6)
        ),
    )
    bench.build(*SQL, *PYTHON)
    metrics = {
        (method, metric): (value, lower, upper)
        for method, metric, value, lower, upper in bench.rows(
            "select method, metric, value, lower, upper from marts.recommendation_metrics"
        )
    }
    assert {method for method, _ in metrics} == {
        *("random", "popular", "trending", "popular_in_category", "recently_viewed"),
        *("co_visitation", "matrix_factorisation"),
    }
    assert len(metrics) == 7 * 10
    ndcg = "normalized_discounted_cumulative_gain_at_10"
    assert metrics["co_visitation", ndcg][1] > metrics["popular", ndcg][2]
    assert metrics["random", "coverage"] == (1.0, None, None)
    gains = bench.rows(
        "select value, lower, users from marts.recommendation_gains "
        f"where method = 'co_visitation' and metric = '{ndcg}'"
    )
    difference = metrics["co_visitation", ndcg][0] - metrics["popular", ndcg][0]
    assert gains[0][0] == pytest.approx(difference, abs=2e-6)
    assert gains[0][1] > 0
    assert gains[0][2] == 30


def test_the_newest_product_of_a_person_is_found_where_recent_ones_are_shown(bench: Bench) -> None:
    """One person is tested: met a (oldest), b, then a again, which is the truth."""
    tested = TESTED[0]
    given(
        bench,
        met(tested, "a", days=3),
        met(tested, "b", days=2),
        met(tested, "a", days=1),
        met(TRAINED[0], "c"),
        met(TRAINED[1], "c"),
        met(TRAINED[1], "a"),
    )
    bench.build(*SQL, *PYTHON)
    found = dict(
        bench.rows("select method, mean_reciprocal_rank_at_25 from marts.recommendation_evaluation")
    )
    assert found["recently_viewed"] == 0.5  # b was met last, a before it
    assert found["popular"] == 0.5  # c has two people, a one
    assert bench.rows("select distinct truths, catalogue from marts.recommendation_evaluation") == [
        (1, 3)
    ]


def test_a_rerun_gives_the_same_rows(bench: Bench) -> None:
    tables = ("recommendations_for_you", "recommendation_metrics", "recommendation_gains")
    found = []
    for turned in (1, -1):
        given(bench, *shop()[::turned])
        bench.build(*SQL, *PYTHON)
        found.append([bench.rows(f"select * from marts.{table} order by 1, 2") for table in tables])
    assert found[0] == found[1]


@pytest.mark.parametrize("people", [0, 1, 2])
def test_there_may_be_next_to_nothing(bench: Bench, people: int) -> None:
    given(bench, *shop(people))
    bench.build(*SQL, *PYTHON)
    (counted,) = bench.rows("select count(distinct person_id) from marts.recommendations_for_you")
    assert counted == (people,)
    assert bench.rows("select * from marts.recommendation_metrics") == []


# --- the A/B test -------------------------------------------------------------------------------

ARMS = {"control": 0.25, "new": 0.75}


def test_an_arm_is_a_range_of_hashes() -> None:
    """By hand: SHA-256 of 'test:ann' and so on, its first eight digits as a number of 2^32."""
    for user in ("ann", "ben", "cid", "dan", "eve", "kim"):
        number = int(hashlib.sha256(f"test:{user}".encode()).hexdigest()[:8], 16)
        expected = "control" if number < 2**30 else "new"
        assert experiments.arm("test", ARMS, user) == expected
    dealt = [experiments.arm("test", ARMS, f"user {n}") for n in range(4_000)]
    assert 900 < dealt.count("control") < 1_100
    again = [experiments.arm("other", ARMS, f"user {n}") for n in range(4_000)]
    assert dealt != again


def experiment(make_bench: Callable[..., Bench], arms: dict[str, float] | None = None) -> Bench:
    setting = {"name": "test", "starts": date(2026, 1, 11), "arms": arms or ARMS}
    return make_bench(recommendations__experiment=setting)


def test_people_are_in_the_arm_that_the_site_puts_them_in(
    make_bench: Callable[..., Bench],
) -> None:
    """The test begins on the 11th, 21 days before the end of the 31st."""
    bench = experiment(make_bench)
    people = [f"p{n}" for n in range(200)]
    bench.given(
        "marts.personalize_interactions",
        [*(met(person, "pan", days=20) for person in people), met("early", "pan", days=21.5)],
    )
    order = {"status": "completed", "order_date": "2026-01-12"}
    bench.given(
        "marts.orders",
        [
            {"order_id": "1", "person_id": "p1", "net_revenue": 10, **order},
            {"order_id": "2", "person_id": "p1", "net_revenue": 5.5, **order},
            {"order_id": "3", "person_id": "p2", "net_revenue": 7, **order, "status": "cancelled"},
            {"order_id": "4", "person_id": "p3", "net_revenue": 9, "status": "completed",
             "order_date": "2026-01-10"},
            {"order_id": "5", "person_id": "p4", **order},
        ],
    )  # fmt: skip
    bench.build("experiment_people")
    rows = bench.rows(
        "select person_id, arm, orders, net_revenue from marts.experiment_people order by 1"
    )
    assert [(row[0], row[1]) for row in rows] == [
        (person, experiments.arm("test", ARMS, f"u-{person}")) for person in sorted(people)
    ]
    told = {row[0]: (row[2], float(row[3])) for row in rows if row[2]}
    assert told == {"p1": (2, 15.5), "p4": (1, 0.0)}


def test_without_a_test_nobody_is_in_it(bench: Bench) -> None:
    bench.given("marts.personalize_interactions", [met("ann", "pan")])
    bench.given("marts.orders", [])
    bench.build("experiment_people", "experiment_results")
    assert bench.rows("select * from marts.experiment_people") == []
    assert bench.rows("select * from marts.experiment_results") == []


def test_results_have_intervals_and_the_difference_to_the_control(
    make_bench: Callable[..., Bench],
) -> None:
    """Of 100 in the control 10 bought for 20 each, of 100 in the new arm 30."""
    bench = experiment(make_bench)
    bench.given(
        "marts.experiment_people",
        [
            {"person_id": f"{arm}{n:03}", "arm": arm, "orders": int(n < buyers),
             "net_revenue": 20 * int(n < buyers)}
            for arm, buyers in (("control", 10), ("new", 30))
            for n in range(100)
        ],
    )  # fmt: skip
    bench.build("experiment_results")
    rows = {
        (row[0], row[1]): row[2:]
        for row in bench.rows(
            "select measure, arm, people, value, lower, upper, difference, difference_lower, "
            "difference_upper from marts.experiment_results"
        )
    }
    people, value, lower, upper, *against = rows["conversion", "control"]
    assert (people, value, round(lower, 4), round(upper, 4)) == (100, 0.1, 0.0552, 0.1744)
    assert against == [None, None, None]
    _, value, _, _, difference, low, high = rows["conversion", "new"]
    assert (value, difference) == (0.3, 0.2)
    half = 1.96 * sqrt(0.1 * 0.9 / 100 + 0.3 * 0.7 / 100)
    assert (low, high) == (pytest.approx(0.2 - half, abs=0.02), pytest.approx(0.2 + half, abs=0.02))
    assert rows["revenue_per_person", "new"][4] == pytest.approx(4)
    assert rows["orders_per_person", "control"][1] == 0.1


# --- more than fits ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "most", "expected"),
    [
        # new has 1 pair; the twins, who were seen in one second, have 2 each; old has 1: 1, 5, 6.
        ("recommendations_for_you", 0, []),
        ("recommendations_for_you", 1, ["new"]),
        ("recommendations_for_you", 4, ["new"]),
        ("recommendations_for_you", 5, ["new", "twin1", "twin1", "twin2", "twin2"]),
        ("recommendations_for_you", 6, ["new", "old", "twin1", "twin1", "twin2", "twin2"]),
        ("recommendation_evaluation", 4, ["new"]),
        ("recommendation_evaluation", 5, ["new", "twin1", "twin1", "twin2", "twin2"]),
        ("recommendation_evaluation", 6, ["new", "old", "twin1", "twin1", "twin2", "twin2"]),
    ],
)
def test_of_more_pairs_than_fit_those_of_the_people_seen_last_count(
    bench: Bench, model: str, most: int, expected: list[str]
) -> None:
    def pair(person: str, product: str, seconds: int) -> dict[str, Any]:
        return {
            "person_id": person, "product_id": product, "is_tested": False, "truths": 0,
            "known_weight": 1, "last_epoch_seconds": seconds, "known_last_epoch_seconds": seconds,
        }  # fmt: skip

    bench.given(
        "marts.recommendation_affinities",
        [
            pair("old", "a", 100),
            pair("twin2", "a", 200),
            pair("twin2", "b", 50),
            pair("twin1", "a", 10),
            pair("twin1", "b", 200),
            pair("new", "a", 300),
            # Nothing is known of them but the truth: the evaluation learns nothing from them.
            *(
                [pair("truth", "a", 400) | {"known_weight": None}]
                if model == "recommendation_evaluation"
                else []
            ),
        ],
    )
    query = models()[model].inputs["affinities"]
    [bound] = [node for node in query.find_all(exp.Literal) if node.this == "12000000"]
    assert models()[model].document.python.most_rows == 12_000_000
    small = query.copy()
    for node in small.find_all(exp.Literal):
        if node.this == bound.this:
            node.replace(exp.Literal.number(most))
    found = bench.session.query(small)
    assert sorted(found["person_id"]) == expected
