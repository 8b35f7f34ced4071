"""Seeds: a team's own rows for the models' small tables, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from engagement.models import inputs, seed_files
from engagement.models.inputs import expand
from engagement.models.runner import external_inputs, models
from engagement.models.seed_files import SEEDS
from engagement.settings import Settings, SettingsError
from engagement.sql.rendering import render
from engagement.warehouse.athena.rendering import ATHENA
from tests.models.conftest import Bench
from tests.models.test_channels import found

CLICK_IDS = (
    "parameter:varchar,precedence:bigint,source:varchar,medium:varchar,category:varchar,"
    "is_paid:boolean"
)
SOURCES = "name:varchar,source:varchar,category:varchar,is_portal:boolean,is_ad_system:boolean"
RULES = (
    "precedence:bigint,channel:varchar,kind:varchar,category:varchar,is_paid:boolean,"
    "source_pattern:varchar,medium_pattern:varchar,campaign_pattern:varchar"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "seeds"
    path.mkdir()
    return path


def problems(folder: Path, **files: str) -> list[str]:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return seed_files.problems(folder)


def own(name: str, text: str) -> dict[Any, list[Any]]:
    """The rows of a seed with a team's text, by the first column."""
    _, rows = seed_files.rows(name, text)
    return {row[0]: row for row in rows}


# --- what a team's rows do ------------------------------------------------------------------------


def test_a_row_with_a_known_key_replaces_and_one_with_another_is_added() -> None:
    text = f"{CLICK_IDS}\nfbclid,281,facebook,cpc,social,true\nshopid,5,Partner,CPC,other,TRUE\n"
    before, after = own("click_ids", f"{CLICK_IDS}\n"), own("click_ids", text)
    assert after["fbclid"] == ["fbclid", 281, "facebook", "cpc", "social", True]
    assert after["shopid"] == ["shopid", 5, "partner", "cpc", "other", True]
    assert {key: row for key, row in after.items() if key not in ("fbclid", "shopid")} == {
        key: row for key, row in before.items() if key != "fbclid"
    }


def test_a_row_with_nothing_but_a_key_removes() -> None:
    before = own("click_ids", f"{CLICK_IDS}\n")
    after = own("click_ids", f"{CLICK_IDS}\nGCLID,,,,,\n")
    assert before.keys() - after.keys() == {"gclid"}


def test_keys_of_two_columns_tell_rows_apart() -> None:
    header = "attribute:varchar,precedence:bigint,pattern:varchar,value:varchar"
    _, before = seed_files.rows("user_agent_rules")
    _, after = seed_files.rows("user_agent_rules", f"{header}\nbot,10,ours,true\nbot,11,x,true\n")
    assert {*map(tuple, after)} - {*map(tuple, before)} == {
        ("bot", 10, "ours", "true"),
        ("bot", 11, "x", "true"),
    }
    assert len(after) == len(before) + 1


def test_types_in_the_header_blank_lines_and_a_byte_order_mark_may_be_there_or_not(
    folder: Path,
) -> None:
    header = "\ufeffparameter,precedence,source,medium,category,is_paid"
    text = f"{header}\r\n\r\n x ,5, A ,cpc,other,false\r\n"
    (folder / "click_ids.csv").write_bytes(text.encode())
    read = seed_files.own_text("click_ids", folder)
    assert read is not None
    assert own("click_ids", read)["x"] == ["x", 5, "a", "cpc", "other", False]


def test_channels_follow_a_teams_own_tables(make_bench: Callable[..., Bench], folder: Path) -> None:
    (folder / "known_sources.csv").write_text(
        f"{SOURCES}\ntrailnotes.example,trail notes,social,,\nfacebook.com,facebook,other,,\n",
        encoding="utf-8",
    )
    (folder / "channel_rules.csv").write_text(
        f"{RULES}\n5,Loyalty Programme,,,,,^loyalty\\z,\n", encoding="utf-8"
    )
    (folder / "click_ids.csv").write_text(
        f"{CLICK_IDS}\nshopid,5,partner,cpc,other,true\n", encoding="utf-8"
    )
    addresses = [
        {"context_page_referrer": "https://www.trailnotes.example/"},
        {"context_page_referrer": "https://m.facebook.com/"},
        {"context_page_url": "https://shop.example/?utm_source=app&utm_medium=loyalty"},
        {"context_page_url": "https://shop.example/?shopid=1"},
    ]
    bench = make_bench(models__seeds=str(folder))
    assert found(bench, addresses) == [
        ("trail notes", "Organic Social"),
        ("facebook", "Referral"),
        ("app", "Loyalty Programme"),
        ("partner", "Paid Other"),
    ]


def test_a_table_is_built_anew_when_a_teams_file_has_changed(
    make_bench: Callable[..., Bench], folder: Path
) -> None:
    file = folder / "known_sources.csv"
    file.write_text(f"{SOURCES}\nx.example,x,social,,\n", encoding="utf-8")
    bench = make_bench(models__seeds=str(folder))
    bench.given("marts.event_contexts", [{"id": "1", "referrer_host": "x.example"}])

    def status() -> tuple[str, list[tuple[Any, ...]]]:
        [built] = bench.build("referrers")
        return built.status, bench.rows("select source, category from marts.referrers")

    assert status() == ("built", [("x", "social")])
    assert status() == ("unchanged", [("x", "social")])
    file.write_text(f"{SOURCES}\nx.example,x,video,,\n", encoding="utf-8")
    assert status() == ("built", [("x", "video")])
    file.unlink()
    assert status() == ("built", [("x.example", "other")])


# --- what is wrong with them ----------------------------------------------------------------------


def test_every_mistake_is_reported_with_its_line(folder: Path) -> None:
    text = "\n".join(
        [
            CLICK_IDS,
            "shopid,ten,partner,cpc,other,yes",
            "shopid2,5,partner,cpc,serach,true",
            "shopid3,5,partner",
            ",5,partner,cpc,other,true",
            "shopid4,5,,cpc,other,true",
            "shopid5,5,partner,cpc,other,true",
            "SHOPID5,6,partner,cpc,other,true",
            "nothing,,,,,",
        ]
    )
    assert problems(folder, click_ids=text) == [
        "click_ids.csv, line 2: precedence is a whole number such as 15, not 'ten'",
        "click_ids.csv, line 2: is_paid is true or false, not 'yes'",
        "click_ids.csv, line 3: category cannot be 'serach'; did you mean 'search'?",
        (
            "click_ids.csv, line 4: 3 cells where the header has 6 columns; write a comma for "
            "each, also where a cell is empty"
        ),
        "click_ids.csv, line 5: parameter is empty: every row needs it",
        "click_ids.csv, line 6: source is empty: write a value",
        "click_ids.csv, line 8: 'shopid5' is also in line 7: keep one of them",
        (
            "click_ids.csv, line 9: a row with nothing but a key removes a row, and there is no "
            "'nothing'"
        ),
    ]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("click_id", "x", "click_id.csv: there is no such table; did you mean click_ids.csv?"),
        ("Click_IDs", "x", "Click_IDs.csv: there is no such table; did you mean click_ids.csv?"),
        ("prices", "x", "prices.csv: there is no such table; the tables are channel_rules.csv, "),
        ("click_ids", "", f"click_ids.csv: the file is empty; write the header {CLICK_IDS}"),
        ("click_ids", "a;b", f"click_ids.csv, line 1: the header is 'a;b'; write '{CLICK_IDS}'"),
        ("click_ids", f'{CLICK_IDS}\n"x', "click_ids.csv, line 2: this is no CSV ("),
        ("known_sources", f"{SOURCES}\nhttps://x.example/,x,social,,",
         "known_sources.csv, line 2: name is a host or the name of a source, such as "),
        ("channel_rules", f"{RULES}\n5,Own,,,,,^own$,",
         "channel_rules.csv, line 2: medium_pattern '^own$': $ lets a line end follow on one "),
        ("channel_rules", f"{RULES}\n5,,utm,,,,,",
         "channel_rules.csv, line 2: channel is empty: write a value"),
    ],
)  # fmt: skip
def test_a_mistake_says_where_it_is_and_what_to_write(
    folder: Path, name: str, text: str, problem: str
) -> None:
    [found_problem] = problems(folder, **{name: text})
    assert found_problem.startswith(problem)


def test_what_is_no_table_is_left_alone(folder: Path) -> None:
    (folder / "README.md").write_text("Our rows.", encoding="utf-8")
    (folder / ".hidden.csv").write_text("x", encoding="utf-8")
    assert seed_files.problems(folder) == []
    (folder / "click_ids.csv").write_bytes(b"\xff\xfe")
    [problem] = seed_files.problems(folder)
    assert problem.startswith("click_ids.csv cannot be read; save it as UTF-8 (")


def test_mistakes_stop_a_build_before_anything_is_built(
    make_bench: Callable[..., Bench], folder: Path
) -> None:
    problems(folder, click_id="x", click_ids="y")
    bench = make_bench(models__seeds=str(folder))
    bench.given("marts.event_contexts", [])
    with pytest.raises(SettingsError) as caught:
        bench.build("referrers")
    assert str(caught.value).startswith(f"2 mistakes in the parameters (models.seeds: {folder}):")
    assert "referrers" not in bench.session.tables("marts")


def _there() -> list[str]:
    files = (resources.files("engagement.models") / "seeds").iterdir()
    return sorted(file.name.removesuffix(".csv") for file in files)


def test_every_seed_can_be_extended_by_its_key() -> None:
    assert {*_there()} <= SEEDS.keys()
    for name in _there():
        seed, header = SEEDS[name], seed_files.header(name)
        assert header is not None
        assert {*seed.key, *seed.required, *seed.lower, *seed.choices} <= header.keys()


@pytest.mark.parametrize("name", _there())
def test_the_projects_own_rows_keep_the_rules_for_a_teams(name: str) -> None:
    """What is there is valid: the whole table as a team's file changes nothing."""
    text = (resources.files("engagement.models") / "seeds" / f"{name}.csv").read_text("utf-8")
    assert seed_files.rows(name, text) == seed_files.rows(name)


# --- how they reach the engine --------------------------------------------------------------------


def test_many_rows_reach_the_engine_as_one_text(bench: Bench) -> None:
    kinds = {"name": "varchar", "n": "bigint", "is_x": "boolean"}
    rows = [["a'b", 7, True], ["ü\u2028", None, False], ["", -1, None], [None, 0, None]]
    query = inputs._rows_of_text(kinds, rows)
    assert query is not None
    assert bench.rows(render(query, ATHENA, {})) == [
        ("a'b", 7, True),
        ("ü\u2028", None, False),
        (None, -1, None),
        (None, 0, None),
    ]
    assert inputs._rows_of_text(kinds, [["a\tb", 1, None]]) is None
    assert inputs._rows_of_text(kinds, [["a\nb", 1, None]]) is None


def test_the_widest_statement_leaves_room_for_a_teams_rows(
    bench: Bench, make_settings: Callable[..., Settings]
) -> None:
    """Athena takes 262,144 bytes; a third of them is kept for what a team adds."""
    settings = make_settings()
    databases = settings.warehouse.databases.model_dump()
    sizes = {
        name: len(render(expand(model.query, bench.session, settings), ATHENA, databases).encode())
        for name, model in models().items()
        if any(read.database == "seeds" for read in external_inputs(model))
    }
    assert max(sizes.values()) < 175_000
    assert max(sizes, key=lambda name: sizes[name]) == "referrers"
