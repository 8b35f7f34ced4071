"""What a model's author is told: every mistake of one model at once, with what was meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from engagement.models import preview, runner
from engagement.models.authoring import AuthoringError, UnknownModelError, mistakes, with_needs
from engagement.models.runner import ModelError, models
from engagement.settings import Settings
from engagement.warehouse import Table, open_warehouse
from tests.models.conftest import Write, forget


def _only(name: str) -> str:
    (problem,) = mistakes(name)
    return problem


def test_a_model_without_mistakes_has_none(write: Write) -> None:
    write("things", "select 1 as a")
    assert mistakes("things") == []


def test_the_project_s_own_models_have_none() -> None:
    forget()
    names = list(models())
    assert {name: found for name in names if (found := mistakes(name))} == {}


def test_a_model_and_what_it_needs_come_in_order_and_others_may_be_broken(write: Write) -> None:
    write("first", "select 1 as a", layer="early")
    write("second", "select f.a from marts.first as f")
    write("third", "select s.a from marts.second as s")
    write("broken", "select (")
    assert [model.name for model in with_needs("second")] == ["first", "second"]


def test_a_name_that_there_is_not(write: Write) -> None:
    write("orders", "select 1 as a")
    with pytest.raises(UnknownModelError, match="there is no model 'order'; did you mean 'orders'"):
        mistakes("order")
    with pytest.raises(UnknownModelError, match=r"write its query, in a file such as .*/nope\.sql"):
        mistakes("nope")


def test_all_classes_of_mistakes_are_told_at_once(write: Write) -> None:
    write("orders", "select 'o' as order_id, 1 as a", {"order_id": "varchar", "a": "integer"})
    write(
        "things",
        """
        select o.order_idd, p.url as sesion_id, md5(o.order_id) as digest, c.x as day
        from marts.orders as o
        inner join sources.page as p on o.order_id = p.id
        cross join seeds.click_idz as c
        cross join mart.orders as m
        where o.a > :as_off
        """,
        {"session_id": "varchar", "digest": "strng", "day": "date"},
        key=["sesion"],
        grains="x",
        checks={"odd": "select (", "worse": "select t.daay from marts.things as t"},
    )
    found = "\n".join(mistakes("things"))
    for expected in (
        "layer/things.yml: grains: there is no such key; did you mean 'grain'?",
        "the key names 'sesion', which is not documented; did you mean 'session_id'?",
        "column digest: there is no type 'strng'",
        "layer/things.sql: o.order_idd: there is no such column here; did you mean order_id?",
        "layer/things.sql: sources.page: there is no source 'page'; did you mean 'pages'?",
        "layer/things.sql: seeds.click_idz: there is no seed 'click_idz'; did you mean 'click_ids'",
        "layer/things.sql: mart.orders: there is no database 'mart'; did you mean 'marts'?",
        "layer/things.sql: there is no parameter ':as_off'; did you mean 'as_of'?",
        "layer/things.sql: md5(): sha256_hex(x)",
        "column session_id is documented, and the query does not make it; did you mean sesion_id?",
        "column order_idd of the query is missing from the YAML: add 'order_idd: {type: varchar",
        "layer/things.yml, check 'odd': line 1, column",
        "check 'worse': t.daay: there is no such column here; did you mean day?",
    ):
        assert expected in found
    with pytest.raises(AuthoringError) as caught:
        with_needs("things")
    assert str(caught.value).startswith(
        f"{len(mistakes('things'))} mistakes in the model things:\n  - "
    )


@pytest.mark.parametrize(
    ("sql", "columns", "expected"),
    [
        (
            "select cast(1.5 as double) as a",
            {"a": "varchar"},
            "layer/things.yml: column a is double in the query, documented as varchar",
        ),
        (
            "select 1 as a, 2",
            {"a": "bigint"},
            "layer/things.sql: column 2 has no name: write … as name",
        ),
        (
            "select 1 as a, date '2026-01-05' as day",
            {"a": "bigint"},
            "is missing from the YAML: add 'day: {type: date, description: …}'",
        ),
        ("select x.a from marts.other as o", {"a": "bigint"}, "nothing is called 'x' here"),
        ("select a from other", {"a": "bigint"}, "did you mean 'marts.other'?"),
    ],
)
def test_what_types_and_names_tell(
    write: Write, sql: str, columns: dict[str, str], expected: str
) -> None:
    write("other", "select 1 as a")
    write("things", sql, columns)
    assert expected in _only("things")


def test_a_query_without_its_yaml_gets_one_to_begin_with(write: Write, tmp_path: Path) -> None:
    write("things", "select 'x' as word, count(*) as n, sum(cast(1 as decimal(18, 2))) as worth")
    (tmp_path / "sql/layer/things.yml").unlink()
    forget()
    problem = _only("things")
    assert "layer/things.sql: its YAML is missing: write " in problem
    skeleton = yaml.safe_load(problem.partition("beginning with\n")[2])
    assert skeleton["key"] == ["word"]
    assert {name: column["type"] for name, column in skeleton["columns"].items()} == {
        "word": "varchar",
        "n": "bigint",
        "worth": "decimal(38,2)",
    }
    # A run says so too, and where to look.
    with pytest.raises(ModelError, match="its YAML is missing; 'engagement build things'"):
        models(["layer"])


def test_the_skeleton_is_a_model_that_can_be_read(write: Write, tmp_path: Path) -> None:
    write("things", "select 'x' as word, count(*) as n")
    file = tmp_path / "sql/layer/things.yml"
    file.unlink()
    forget()
    skeleton = _only("things").partition("beginning with\n")[2]
    file.write_text("\n".join(line.removeprefix("    ") for line in skeleton.splitlines()))
    forget()
    assert mistakes("things") == []


def test_a_yaml_without_its_query(write: Write) -> None:
    write("things", "", {"a": "bigint", "b": "date"})
    problem = _only("things")
    assert "there is no SQL beside it: write the query in " in problem
    assert problem.endswith("layer/things.sql, which gives a, b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "layer/things.yml: line 1"),
        ("- a", "layer/things.yml: the file holds no keys with values; it needs description, gra"),
        ("key: a", "layer/things.yml: key: write a list (given: 'a')"),
    ],
)
def test_a_yaml_that_cannot_be_read_is_told_with_what_the_query_has(
    write: Write, tmp_path: Path, text: str, expected: str
) -> None:
    write("things", "select md5(a) as a from marts.nothing")
    (tmp_path / "sql/layer/things.yml").write_text(text)
    forget()
    found = "\n".join(mistakes("things"))
    assert expected in found
    assert "there is no model 'nothing'" in found
    assert "md5(): " in found


def test_a_loop_s_files_are_looked_at_too(write: Write) -> None:
    files = {"seed.sql": "select 1 as n", "step.sql": "select w.m from work.counted as w"}
    loop = {"table": "counted", "seed": "seed.sql", "step": "step.sql", "changed": "none.sql"}
    write("things", "select w.n as a from work.counted as w", files=files, loop=loop)
    assert mistakes("things") == [
        "layer/step.sql: w.m: there is no such column here",
        "layer/none.sql: there is no such file",
    ]


def test_a_python_model_s_module_and_inputs(write: Write) -> None:
    python = {
        "function": "nowhere:rows",
        "inputs": {"a": "select p.idd from sources.pages as p", "b": "none.sql"},
        "most_rows": 0,
        "parameters": ["as_off"],
    }
    write("things", "", {"word": "array(varchar)"}, python=python)
    found = "\n".join(mistakes("things"))
    for expected in (
        "python.most_rows: write more than 0",
        "there is no parameter 'as_off'; did you mean 'as_of'?",
        "there is no module 'nowhere'",
        "input 'a': p.idd: there is no such column here; did you mean id?",
        "layer/none.sql: there is no such file",
        "column word: a Python model has no columns of array(varchar)",
    ):
        assert expected in found


# --- the first rows -------------------------------------------------------------------------------


def test_the_first_rows_are_formatted_and_nobody_s_own(
    write: Write, make_settings: Callable[..., Settings]
) -> None:
    columns = {
        "number": "bigint",
        "email": "varchar",
        "first_name": "varchar",
        "user_id": "varchar",
        "channel": "varchar",
        "spend": "decimal(18,2)",
        "birthday": "date",
        "seen_at": "timestamp(3)",
    }
    write(
        "people",
        "select 1 as number, 'x' as email, 'x' as first_name, 'x' as user_id, 'x' as channel, "
        "cast(1 as decimal(18, 2)) as spend, date '2026-01-05' as birthday, "
        "timestamp '2026-01-05 10:00:00.000' as seen_at",
        columns,
    )
    warehouse = open_warehouse(make_settings())
    with warehouse.session(write=True) as session:
        session.publish(
            Table("marts", "people"),
            "select * from (values (2, 'jane@shop.example', 'Jane', 'u-7', 'Email', "
            "cast(1234.5 as decimal(18,2)), date '1980-02-03', "
            "timestamp '2026-01-05 10:00:00.000'), "
            "(1, null, null, null, 'jane@shop.example', null, null, null)) as v (number, email, "
            "first_name, user_id, channel, spend, birthday, seen_at)",
        )
    frame = preview.first_rows(warehouse, runner.model("people"))
    assert frame.to_numpy().tolist() == [
        ["1", "–", "–", "–", "… (e-mail)", "–", "–", "–"],
        [
            "2",
            "… (e-mail)",
            "… (name)",
            "… (id)",
            "Email",
            "1,234.50",
            "… (about a person)",
            "2026-01-05 10:00:00",
        ],
    ]


def test_a_wide_table_has_its_columns_one_below_the_other() -> None:
    wide = pd.DataFrame({f"column_{n}": [f"value {n}" * 3, "y"] for n in range(20)})
    found = preview.lines(wide)
    assert len(found) == 21
    assert max(map(len, found)) <= preview.WIDEST
    assert found[0].split() == ["column", "row", "1", "row", "2"]
    narrow = preview.lines(pd.DataFrame({"a": ["1"], "b": ["x"]}))
    assert narrow == ["  a  b", "  1  x"]
