"""The runner of models: order, checks, what is published and what is not, and what models read.

Models of this file's own making stand in a folder of the test; the sources are the project's.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engagement.models import inputs, runner
from engagement.models.inputs import InputError, contracts
from engagement.models.runner import Built, ModelError, frame, in_order, models
from engagement.settings import Settings
from engagement.warehouse import DialectError, Table, open_warehouse
from tests.models.conftest import Bench, Write, forget
from tests.values import values_query


def run(bench: Bench, *layers: str, only: list[str] | None = None) -> list[Built]:
    return bench.build(*(only or ()), layers=layers or ("layer",))


def failing(bench: Bench, *layers: str) -> str:
    with pytest.raises(ModelError) as caught:
        run(bench, *layers)
    return str(caught.value)


def tables(bench: Bench) -> list[str]:
    return bench.session.tables("marts")


# --- order ----------------------------------------------------------------------------------------


def test_models_are_built_after_what_they_read(write: Write, bench: Bench) -> None:
    write("a_last", "select a + 1 as a from marts.middle")
    write("middle", "with m as (select a from marts.z_first) select a * 10 as a from m")
    write("z_first", "select 1 as a")
    results = run(bench)
    assert [(built.model, built.status, built.rows) for built in results] == [
        ("z_first", "built", 1),
        ("middle", "built", 1),
        ("a_last", "built", 1),
    ]
    assert bench.rows("select a from marts.a_last") == [(11,)]
    assert list(frame(results)["table"]) == ["marts.z_first", "marts.middle", "marts.a_last"]


def test_models_that_read_each_other_are_refused(write: Write, bench: Bench) -> None:
    write("one", "select a from marts.two")
    write("two", "select a from marts.three")
    write("three", "select a from marts.one")
    message = failing(bench)
    assert "depend on each other" in message
    assert all(name in message for name in ("one", "two", "three"))


def test_what_was_not_built_yet_is_asked_for_before_anything_is_built(
    write: Write, bench: Bench
) -> None:
    write("fine", "select 1 as a")
    write("late", "select a from marts.upstream join marts.another on true")
    message = failing(bench)
    assert "marts.late reads marts.another, marts.upstream, which does not exist yet" in message
    assert "run the earlier notebooks first" in message
    assert tables(bench) == []


def test_earlier_layers_are_read_where_they_stand(write: Write, bench: Bench) -> None:
    write("upstream", "select 1 as a", layer="people")
    write("late", "select a + 1 as a from marts.upstream", layer="commerce")
    run(bench, "people")
    assert [built.model for built in run(bench, "commerce")] == ["late"]
    assert bench.rows("select a from marts.late") == [(2,)]


def test_single_models_may_be_asked_for(write: Write, bench: Bench) -> None:
    write("one", "select 1 as a")
    write("two", "select a from marts.one")
    run(bench, only=["one"])
    assert tables(bench) == ["one"]
    with pytest.raises(ModelError, match="no model 'three' in the layers layer"):
        run(bench, only=["one", "three"])
    with pytest.raises(ModelError, match="no model in the layers nowhere"):
        run(bench, "nowhere")


# --- checks ---------------------------------------------------------------------------------------


def test_a_failed_check_leaves_the_table_stops_dependents_and_lets_others_go_on(
    write: Write, bench: Bench
) -> None:
    positive = {"checks": {"positive": "select a from marts.orders where a <= 0"}}
    write("orders", "select 1 as a", **positive)
    write("reads_orders", "select a from marts.orders")
    write("reads_that", "select a from marts.reads_orders")
    write("other", "select 5 as a")
    run(bench)

    write("orders", "select a from (values -3, 2) as v (a)", **positive)
    write("other", "select 6 as a")
    message = failing(bench)
    assert "1 of 4 models failed and was not published" in message
    assert "marts.orders: check 'positive' found rows, the first: a=-3" in message
    assert "Not built, because of what they read: reads_orders, reads_that" in message
    found = {
        name: bench.rows(f"select a from marts.{name}")
        for name in ("orders", "reads_orders", "reads_that", "other")
    }
    assert found == {
        "orders": [(1,)],
        "reads_orders": [(1,)],
        "reads_that": [(1,)],
        "other": [(6,)],
    }


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("select 1 as a, 2 as b union all select 1, 3", "check 'the key is unique' found rows"),
        ("select 1 as a, cast(null as integer) as b", "check 'the key is never null' found rows"),
        ("select 1 as a", "column b is documented but missing"),
        ("select 1 as a, 2 as b, 3 as c", "column c is missing from the YAML"),
        ("select 1 as a, 'x' as b", "the column b is varchar, documented as integer"),
    ],
)
def test_every_model_is_held_to_its_document(
    write: Write, bench: Bench, sql: str, problem: str
) -> None:
    key = ["a"] if "unique" in problem else ["a", "b"]
    write("things", sql, {"a": "integer", "b": "integer"}, key=key)
    assert f"marts.things: {problem}" in failing(bench)
    assert tables(bench) == []


def test_columns_are_published_in_the_documents_order(write: Write, bench: Bench) -> None:
    write("things", "select 2 as b, 1 as a", {"a": "integer", "b": "integer"})
    run(bench)
    assert bench.rows("select * from marts.things") == [(1, 2)]


def test_sums_and_counts_are_bigints(write: Write, bench: Bench) -> None:
    write(
        "things",
        "select sum(cast(a as bigint)) as total, count(*) as n from (values 1, 2) as v (a)",
        {"total": "bigint", "n": "bigint"},
    )
    run(bench)
    assert bench.rows("select * from marts.things") == [(3, 2)]


def test_a_check_may_read_sources_parameters_and_other_models(write: Write, bench: Bench) -> None:
    write("upstream", "select 1 as a")
    checks = {
        "as many": "select 1 as n from marts.things as t left join marts.upstream as u "
        "on t.a = u.a where u.a is null or :as_of is null",
        "no page": "select id from sources.pages",
    }
    write("things", "select 2 as a", checks=checks)
    message = failing(bench)
    assert "'as many'" in message
    assert "'no page'" not in message


def test_a_query_that_cannot_be_run_fails_like_a_check(write: Write, bench: Bench) -> None:
    write("broken", "select cast(b as integer) as a from (select 12345678901 as b)")
    write("reads_it", "select a from marts.broken")
    write("unknown", "select a from seeds.nothing")
    write("other", "select 5 as a")
    message = failing(bench)
    assert "2 of 4 models failed" in message
    assert "marts.broken: candidate_broken: " in message
    assert "marts.unknown: there is no seed 'nothing'" in message
    assert "of what they read: reads_it" in message
    assert tables(bench) == ["other"]


# --- models in Python -----------------------------------------------------------------------------

PYTHON_COLUMNS = {
    "word": "varchar",
    "letters": "bigint",
    "share": "double",
    "is_long": "boolean",
    "worth": "decimal(18, 2)",
    "day": "date",
    "at": "timestamp(3)",
}
PYTHON = """
from decimal import Decimal
import pandas as pd

def measure(frames, parameters):
    words = sorted(frames["words"]["word"])
    return pd.DataFrame({
        "at": pd.Timestamp("2026-01-05 10:00"),
        "day": parameters["as_of"],
        "word": words,
        "letters": [len(word) for word in words],
        "share": [len(word) / 10 for word in words],
        "is_long": [None if word == "?" else len(word) > 3 for word in words],
        "worth": [Decimal("1.50") for word in words],
    })
"""


@pytest.fixture
def python(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write a Python model ``measured`` over ``marts.given``, and the module of its function."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    # Bytecode is told by size and second: a file of as many bytes in the same second has the old.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def python(
        text: str = PYTHON, columns: Mapping[str, str] = PYTHON_COLUMNS, **given: Any
    ) -> None:
        (folder / "measures.py").write_text(text)
        # As in a new process.
        monkeypatch.delitem(sys.modules, "measures", raising=False)
        importlib.invalidate_caches()
        section = {
            "function": "measures:measure",
            "inputs": {"words": "select word from marts.given"},
            "most_rows": 3,
            "parameters": ["as_of"],
            **given,
        }
        write("measured", "", columns, python=section)

    return python


def test_a_python_model_is_checked_and_published_as_any_other(
    python: Callable[..., None], write: Write, bench: Bench
) -> None:
    write("given", "select word from (values 'four', '?') as v (word)", {"word": "varchar"})
    python()
    write("reads_it", "select count(*) as a from marts.measured", {"a": "bigint"})
    assert [(one.model, one.status, one.rows) for one in run(bench)] == [
        ("given", "built", 2),
        ("measured", "built", 2),
        ("reads_it", "built", 1),
    ]
    columns = bench.session.columns(Table("marts", "measured"))
    assert [kind.replace(" ", "") for kind in columns.values()] == [
        kind.replace(" ", "") for kind in PYTHON_COLUMNS.values()
    ]
    at = datetime(2026, 1, 5, 10)
    assert bench.rows("select * from marts.measured order by word") == [
        ("?", 1, 0.1, None, Decimal("1.50"), date(2026, 1, 31), at),
        ("four", 4, 0.4, True, Decimal("1.50"), date(2026, 1, 31), at),
    ]


def test_a_python_model_without_rows_is_an_empty_table(
    python: Callable[..., None], write: Write, bench: Bench
) -> None:
    write("given", "select 'x' as word where 1 = 0", {"word": "varchar"})
    python()
    run(bench)
    assert bench.rows("select * from marts.measured") == []


def test_a_python_model_is_built_anew_when_what_decides_it_changes(
    python: Callable[..., None], write: Write, make_bench: Callable[..., Bench]
) -> None:
    bench = make_bench()

    def status() -> str:
        return {one.model: one.status for one in run(bench)}["measured"]

    write("given", "select 'four' as word", {"word": "varchar"})
    python()
    assert status() == "built"
    assert status() == "unchanged"
    write("given", "select 'five5' as word", {"word": "varchar"})
    assert status() == "built"
    python(PYTHON.replace("> 3", "> 7"))
    assert status() == "built"
    assert bench.rows("select is_long from marts.measured") == [(False,)]
    python(PYTHON.replace("> 3", "> 7"), packages=["ua-parser"])
    assert status() == "built"
    assert status() == "unchanged"
    bench = make_bench("2026-01-30")
    assert status() == "built"


@pytest.mark.parametrize(
    ("text", "given", "problem"),
    [
        (PYTHON, {"most_rows": 1}, "input 'words' has more than 1 rows, which measures:measure"),
        (PYTHON, {"function": "measures:nothing"}, "measures has no function nothing"),
        (PYTHON, {"function": "nowhere:measure"}, "there is no module nowhere"),
        (PYTHON, {"packages": ["no-such-package"]}, "the package no-such-package is missing"),
        (PYTHON.replace("sorted(", "1 / len("), {}, "measures:measure failed: TypeError: "),
        (PYTHON.replace('"word": words', '"other": words'), {}, "column other is missing from"),
        (PYTHON.replace('"word": words', '"other": words'), {}, "column word is documented but"),
        (PYTHON.replace("[len(word) for", "['x' for"), {}, "letters is documented as bigint"),
        (PYTHON.replace("1.50", "1.505"), {}, r"worth is documented as decimal\(18, 2\)"),
        (PYTHON.replace("len(word) /", "word +"), {}, "failed: TypeError"),
        (PYTHON.replace("[len(word) for", "[1.5 for"), {}, "letters is documented as bigint"),
        (PYTHON.replace('"word": words', '"word": "same"'), {}, "check 'the key is unique'"),
    ],
)
def test_a_python_model_that_fails_stops_only_what_reads_it(
    python: Callable[..., None],
    write: Write,
    bench: Bench,
    text: str,
    given: dict[str, Any],
    problem: str,
) -> None:
    write("given", "select word from (values 'one', 'two') as v (word)", {"word": "varchar"})
    python()
    run(bench)
    python(text, **given)
    write("reads_it", "select word from marts.measured", {"word": "varchar"})
    write("other", "select 5 as a")
    message = failing(bench)
    assert re.search(problem, message)
    assert "of what they read: reads_it" in message
    assert bench.rows("select word from marts.measured order by 1") == [("one",), ("two",)]
    assert bench.rows("select a from marts.other") == [(5,)]


@pytest.mark.parametrize(
    ("columns", "given", "problem"),
    [
        ({"word": "array(varchar)"}, {}, r"word: a Python model has no columns of array\(varchar"),
        (PYTHON_COLUMNS, {"inputs": {}}, "inputs"),
        (PYTHON_COLUMNS, {"most_rows": 0}, "most_rows"),
        (PYTHON_COLUMNS, {"parameters": ["as_off"]}, "did you mean 'as_of'"),
        (PYTHON_COLUMNS, {"function": "import os; x"}, "function"),
        (PYTHON_COLUMNS, {"inputs": {"words": "select ("}}, "measured.yml, input 'words': "),
        (PYTHON_COLUMNS, {"inputs": {"words": "none.sql"}}, r"none\.sql: there is no such file"),
    ],
)
def test_a_python_models_document_that_cannot_be_used_is_named(
    python: Callable[..., None], columns: dict[str, str], given: dict[str, Any], problem: str
) -> None:
    python(columns=columns, **given)
    with pytest.raises((ModelError, DialectError), match=problem):
        models(["layer"])


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "document", "problem"),
    [
        ("select (a", {}, r"layer/things\.sql: line 1"),
        ("select avg(a) as a from t", {}, r"layer/things\.sql: not portable"),
        ("select 1 as a", {"checks": {"odd": "select ("}}, r"things\.yml, check 'odd': "),
        ("select 1 as a", {"checks": {"odd": "select now() as b"}}, "check 'odd': not portable"),
        ("select 1 as a", {"key": ["b"]}, "the key names b, which is no documented column"),
        ("select 1 as a", {"key": []}, "key"),
        ("select 1 as a", {"grains": "x"}, "grains"),
        (
            "select 1 as a",
            {"loop": {"table": "t", "seed": "none.sql", "step": "x.sql", "changed": "y.sql"}},
            r"layer/none\.sql: there is no such file",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    write: Write, sql: str, document: dict[str, Any], problem: str
) -> None:
    write("things", sql, **document)
    with pytest.raises((ModelError, DialectError), match=problem):
        models(["layer"])


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        # The contracts of sources, headers of seeds and documents of models say what a column is.
        ("select cast(p.price as bigint) as a from sources.product_viewed as p", "round"),
        ("select sum(p.price) as a from sources.product_viewed as p", "sums of doubles"),
        ("select cast(r.rate as varchar) || r.rate as a from seeds.exchange_rates as r", "cast it"),
        ("select cast(c.precedence as bigint) / 2 as a from seeds.channel_rules as c", "as double"),
        ("select cast(o.amount as bigint) as a from marts.other as o", "round"),
        ("select cast(t.a as bigint) as a from marts.things as t", "parse_bigint"),
        ("select o.missing as a from marts.other as o", "no such column"),
        ("select date_diff('day', :as_of_end, :as_of) as a", "as_of_end is timestamp"),
    ],
)
def test_what_only_types_can_tell_is_refused_when_a_model_is_loaded(
    write: Write, sql: str, problem: str
) -> None:
    write("other", "select 1.5e0 as amount", {"amount": "double"}, layer="earlier")
    write("things", sql, {"a": "varchar"})
    with pytest.raises(DialectError, match=problem):
        models(["layer"])


def test_a_loops_table_has_the_types_of_its_seed(write: Write) -> None:
    files = {
        "seed.sql": "select p.id as a, max(p.price) as b from sources.product_viewed as p "
        "group by p.id",
        "step.sql": "select a, b from work.prices",
        "changed.sql": "select cast(n.b as bigint) as b from work.prices_next as n",
    }
    loop = {"table": "prices", "seed": "seed.sql", "step": "step.sql", "changed": "changed.sql"}
    write("things", "select a from work.prices", {"a": "varchar"}, files=files, loop=loop)
    with pytest.raises(DialectError, match=r"layer/changed\.sql: not portable\n.*round"):
        models(["layer"])


def test_a_document_without_its_query_is_named(write: Write, tmp_path: Path) -> None:
    write("things", "select 1 as a")
    (tmp_path / "sql" / "layer" / "things.sql").unlink()
    forget()
    with pytest.raises(ModelError, match=r"layer/things\.sql: there is no such file"):
        models(["layer"])


def test_a_name_stands_in_one_layer(write: Write) -> None:
    write("things", "select 1 as a", layer="one")
    write("things", "select 1 as a", layer="two")
    with pytest.raises(ModelError, match="things is in two layers"):
        models(["one", "two"])


# --- loops ----------------------------------------------------------------------------------------

REACH = {
    "reach_seed.sql": "select v.a, v.a as least from (values 1, 2, 3, 4, 9) as v (a)",
    # Each number is linked to the one before it: the least of a chain walks along it.
    "reach_step.sql": (
        "select r.a, least(r.least, coalesce(n.least, r.least)) as least "
        "from work.reach as r left join work.reach as n on n.a = r.a - 1"
    ),
    "reach_changed.sql": (
        "select r.a from work.reach as r join work.reach_next as n on r.a = n.a "
        "where r.least <> n.least"
    ),
}
LOOP = {
    "table": "reach",
    "seed": "reach_seed.sql",
    "step": "reach_step.sql",
    "changed": "reach_changed.sql",
}


def test_a_loop_goes_on_until_nothing_changes(write: Write, bench: Bench) -> None:
    columns = {"a": "integer", "least": "integer"}
    write("chains", "select a, least from work.reach", columns, files=REACH, loop=LOOP)
    run(bench)
    assert bench.rows("select a, least from marts.chains order by a") == [
        (1, 1),
        (2, 1),
        (3, 1),
        (4, 1),
        (9, 9),
    ]


def test_a_loop_that_never_settles_fails(
    write: Write, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_MOST_ROUNDS", 3)
    files = {**REACH, "reach_step.sql": "select a, least - 1 as least from work.reach"}
    columns = {"a": "integer", "least": "integer"}
    write("chains", "select a, least from work.reach", columns, files=files, loop=LOOP)
    assert "marts.chains: reach still changes after 3 rounds" in failing(bench)


def test_what_a_loop_reads_is_built_first(write: Write, bench: Bench) -> None:
    files = {**REACH, "reach_seed.sql": "select a, a as least from marts.numbers"}
    columns = {"a": "integer", "least": "integer"}
    write("chains", "select a, least from work.reach", columns, files=files, loop=LOOP)
    write("numbers", "select 7 as a")
    assert [built.model for built in run(bench)] == ["numbers", "chains"]


# --- sources --------------------------------------------------------------------------------------


def flattened(bench: Bench, table: str, columns: Mapping[str, str], *rows: tuple[Any, ...]) -> None:
    """An events table as flattening would leave it, with the columns that it happens to have."""
    default = {"id": "varchar", "received_at": "timestamp(3)"}
    moment = datetime(2026, 1, 5, 12)
    content = [(f"{table} {n}", moment, *row) for n, row in enumerate(rows)]
    bench.session.publish(Table("events", table), values_query({**default, **columns}, content))


def source(write: Write, bench: Bench, name: str, columns: Mapping[str, str]) -> list[Any]:
    chosen = ", ".join(f's."{column}"' for column in columns)
    write("copied", f"select s.id, {chosen} from sources.{name} as s", {"id": "varchar", **columns})
    run(bench)
    return bench.rows(f"select {chosen.replace('s.', '')} from marts.copied order by id")


def test_a_table_that_no_event_has_made_is_empty_with_its_columns(
    write: Write, bench: Bench
) -> None:
    wanted = {"price": "double", "quantity": "bigint", "context_session_start": "boolean"}
    assert source(write, bench, "product_viewed", wanted) == []


def test_a_column_that_no_event_has_sent_is_null(write: Write, bench: Bench) -> None:
    flattened(bench, "product_viewed", {"price": "double"}, (1.5,))
    wanted = {"price": "double", "quantity": "bigint", "timestamp": "timestamp(3)"}
    assert source(write, bench, "product_viewed", wanted) == [(1.5, None, None)]


AS_PROMISED: list[tuple[str, str, str, dict[Any, Any]]] = [
    # Source, a column of its contract with the type promised, the type found, values and results.
    ("product_viewed", "price", "bigint", {5: 5.0}),
    ("product_viewed", "price", "varchar", {"5.5": 5.5, "-1e3": -1000.0, "x": None, " 5": None}),
    ("product_viewed", "price", "boolean", {True: None}),
    ("product_viewed", "quantity", "double", {5.0: 5, 2.5: None, 1e300: None}),
    (
        "product_viewed",
        "quantity",
        "varchar",
        {"5": 5, "5.0": 5, "1e2": 100, "5.5": None, "9223372036854775808": None, "": None},
    ),
    ("product_viewed", "quantity", "timestamp(3)", {datetime(2026, 1, 5): None}),
    ("product_viewed", "quantity", "boolean", {True: 1, False: 0}),
    ("product_viewed", "product_id", "bigint", {5: "5"}),
    ("product_viewed", "product_id", "double", {5.0: "5", 1.5: "1.5"}),
    ("product_viewed", "product_id", "boolean", {True: "true"}),
    ("identifies", "birthday", "timestamp(3)", {datetime(1990, 1, 5): "1990-01-05T00:00:00.000Z"}),
    (
        "identifies",
        "created_at",
        "varchar",
        {"2026-01-05T10:00:00+01:00": datetime(2026, 1, 5, 9), "yesterday": None},
    ),
    ("identifies", "created_at", "bigint", {1767607200: None}),
    (
        "identifies",
        "newsletter",
        "varchar",
        {"true": True, "No": False, "1": True, "0": False, "perhaps": None},
    ),
    ("identifies", "newsletter", "bigint", {1: True, 0: False, 2: None}),
    ("identifies", "newsletter", "double", {1.0: None}),
    ("identifies", "consent_email", "boolean", {True: "true", False: "false"}),
    ("identifies", "consent_email", "bigint", {1: "1", 0: "0", 2: "2"}),
    ("identifies", "consent_email", "double", {1.0: "1", 0.0: "0", 0.5: "0.5", 1e-5: "1e-05"}),
    (
        "identifies",
        "consent_email",
        "timestamp(3)",
        {datetime(2026, 1, 5): "2026-01-05T00:00:00.000Z"},
    ),
]


@pytest.mark.parametrize(("name", "column", "found", "values"), AS_PROMISED)
def test_a_column_has_the_promised_type_whatever_was_sent(
    write: Write, bench: Bench, name: str, column: str, found: str, values: dict[Any, Any]
) -> None:
    flattened(bench, name, {column: found}, *((value,) for value in values))
    wanted = {column: contracts().columns(name)[column]}
    assert source(write, bench, name, wanted) == [(value,) for value in values.values()]


def test_a_concept_is_the_union_of_its_events(
    write: Write, make_bench: Callable[..., Bench]
) -> None:
    names = ["Order Completed", "Purchase", "PURCHASE", "Never Sent", "名前"]
    bench = make_bench(events__order_completed=names)
    flattened(bench, "order_completed", {"order_id": "varchar"}, ("o1",))
    flattened(bench, "purchase", {"order_id": "bigint", "total": "double"}, (7, 1.5))
    found = source(write, bench, "order_completed", {"order_id": "varchar", "total": "double"})
    assert sorted(found) == [("7", 1.5), ("o1", None)]


def test_nothing_received_after_the_day_enters(
    write: Write, make_bench: Callable[..., Bench]
) -> None:
    moments = [
        "2026-01-31 22:59:59.999",
        "2026-01-31 23:00",
        "2026-01-31 23:59:59.999",
        "2026-02-01",
    ]
    for zone, seen in (("Europe/Berlin", 1), ("UTC", 3), ("America/New_York", 4)):
        bench = make_bench("2026-01-31", timezone=zone)
        rows = [{"id": f"{n}", "received_at": at} for n, at in enumerate(moments)]
        bench.given("sources.pages", rows)
        write("copied", "select p.id from sources.pages as p", {"id": "varchar"})
        run(bench)
        assert bench.rows("select count(*) from marts.copied") == [(seen,)], zone


def test_nothing_received_after_the_newest_event_enters(
    write: Write, make_bench: Callable[..., Bench]
) -> None:
    # As of latest, resolved at noon: what came in a millisecond later is not there yet.
    bench = make_bench("2026-01-31 12:00")
    moments = ["2026-01-31 11:59", "2026-01-31 12:00", "2026-01-31 12:00:00.001"]
    rows = [{"id": f"{n}", "received_at": at} for n, at in enumerate(moments)]
    bench.given("sources.pages", rows)
    write("copied", "select p.id from sources.pages as p", {"id": "varchar"})
    run(bench)
    assert bench.rows("select id from marts.copied order by id") == [("0",), ("1",)]


def test_what_is_no_source_is_named(write: Write, bench: Bench) -> None:
    write("things", "select s.id from sources.page as s", {"id": "varchar"})
    message = failing(bench)
    assert "marts.things: there is no source 'page'; models/sources.yml has: aliases, " in message
    with pytest.raises(InputError):
        contracts().columns("page")


# --- seeds ----------------------------------------------------------------------------------------


def test_exchange_rates_come_from_the_parameters(
    write: Write, make_bench: Callable[..., Bench]
) -> None:
    bench = make_bench(currency__reporting="EUR", currency__rates={"USD": 0.9, "GBP": 1.15})
    columns = {"currency": "varchar", "rate": "decimal(18, 8)"}
    write("rates", "select r.currency, r.rate from seeds.exchange_rates as r", columns)
    run(bench)
    assert bench.rows("select currency, rate from marts.rates order by 1") == [
        ("EUR", Decimal(1)),
        ("GBP", Decimal("1.15")),
        ("USD", Decimal("0.9")),
    ]


def test_a_seed_is_a_typed_table(
    write: Write, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    (package / "seeds").mkdir(parents=True)
    (package / "seeds" / "odd.csv").write_text(
        'name:varchar,n:bigint,on:boolean\n"a,\u2028b\nc",7,true\nd,,false\n', encoding="utf-8"
    )
    monkeypatch.setattr(inputs.resources, "files", lambda _: package)
    columns = {"name": "varchar", "n": "bigint", "is_on": "boolean"}
    write("copied", 'select o.name, o.n, o."on" as is_on from seeds.odd as o', columns)
    run(bench)
    assert bench.rows("select name, n, is_on from marts.copied order by 1") == [
        ("a,\u2028b\nc", 7, True),
        ("d", None, False),
    ]


def test_a_seeds_pattern_is_one_that_both_engines_read_alike(
    write: Write, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    (package / "seeds").mkdir(parents=True)
    (package / "seeds" / "odd_rules.csv").write_text("pattern:varchar\n^a$\n", encoding="utf-8")
    monkeypatch.setattr(inputs.resources, "files", lambda _: package)
    write("copied", "select o.pattern as a from seeds.odd_rules as o", {"a": "varchar"})
    assert "models/seeds/odd_rules.csv: '^a$': $ lets a line end follow" in failing(bench)


# --- the project's own models ---------------------------------------------------------------------


def test_every_model_of_the_project_can_be_read_and_ordered(
    make_settings: Callable[..., Settings],
) -> None:
    found = models()
    assert in_order(found.values())
    for model in found.values():
        assert model.needs <= found.keys(), model.name
    # One without parameters: a query is rendered with the values of those it has.
    assert open_warehouse(make_settings()).render(found["identity_map"].query)


def test_a_model_is_not_built_again_from_the_same(write: Write, bench: Bench) -> None:
    write("one", "select cast(max(b) as bigint) as a from marts.other", {"a": "bigint"})
    write("other", "select cast(1 as bigint) as b", {"b": "bigint"})
    assert [one.status for one in bench.build(layers=["layer"])] == ["built", "built"]
    again = bench.build(layers=["layer"])
    assert [(one.model, one.status, one.rows) for one in again] == [
        ("other", "unchanged", 1),
        ("one", "unchanged", 1),
    ]
    # What is read has changed, and so has what reads it; nothing else.
    write("other", "select cast(2 as bigint) as b", {"b": "bigint"})
    assert [one.status for one in bench.build(layers=["layer"])] == ["built", "built"]
    assert bench.rows("select a from marts.one") == [(2,)]


def test_a_model_that_reads_a_table_of_unknown_version_is_always_built(
    write: Write, bench: Bench
) -> None:
    write("one", "select cast(count(*) as bigint) as a from sources.pages", {"a": "bigint"})
    bench.given("sources.pages", [{"id": "e1"}])
    # As if others had loaded it: nothing tells when it changes.
    bench._connection.execute("comment on table events.pages is null")
    assert [one.status for one in bench.build(layers=["layer"])] == ["built"]
    assert [one.status for one in bench.build(layers=["layer"])] == ["built"]
