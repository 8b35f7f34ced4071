"""Data sets written in a stream: to the letter, in parts, by chosen schemas, and as increments."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engagement.as_of import whole_day
from engagement.personalize import exports, fields, parts, readiness, row_values
from engagement.personalize.datasets import PersonalizeError
from engagement.personalize.fields import Column
from tests.models.conftest import Bench, _OneSession
from tests.personalize.validator import validate

START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())


def interaction(user: str = "u1", item: str = "p1", second: int = 0, **more: Any) -> dict[str, Any]:
    received = datetime.fromtimestamp(START + second, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return {"user_id": user, "item_id": item, "event_type": "View",
            "epoch_seconds": START + second, "device_type": "mobile", "person_id": user,
            "happened_at": received, "received_at": received, **more}  # fmt: skip


def item(id_: str = "p1", **more: Any) -> dict[str, Any]:
    return {"item_id": id_, "category": "Kitchen", "brand": "Acme", "name": "Pan",
            "price": Decimal("19.90"), **more}  # fmt: skip


def fill(
    bench: Bench,
    interactions: list[dict[str, Any]],
    items: list[dict[str, Any]] | None = None,
    users: list[dict[str, Any]] | None = None,
    customers: list[dict[str, Any]] | None = None,
    actions: list[dict[str, Any]] | None = None,
) -> None:
    bench.given("marts.personalize_interactions", interactions)
    found = sorted({one["item_id"] for one in interactions})
    bench.given(
        "marts.personalize_items", items if items is not None else [item(id_) for id_ in found]
    )
    people = sorted({one["user_id"] for one in interactions})
    bench.given(
        "marts.personalize_users",
        users or [{"user_id": u, "person_id": u, "membership": "guest"} for u in people],
    )
    bench.given(
        "marts.customer_360",
        customers or [{"person_id": u, "lifecycle_stage": "visitor"} for u in people],
    )
    bench.given("marts.personalize_action_interactions", actions or [])


def write(bench: Bench, folder: Path, **more: Any) -> exports.Export:
    as_of = whole_day(more.pop("as_of", date(2026, 1, 31)), "UTC")
    return exports.write(
        _OneSession(bench.session),  # type: ignore[arg-type]
        bench.settings,
        as_of,
        folder / "personalize",
        folder / "rejects",
        **more,
    )


def lines(folder: Path, name: str) -> list[str]:
    paths = sorted((folder / "personalize" / name).glob("*.csv"))
    return [line for path in paths for line in path.read_text("utf-8").splitlines()]


# --- to the letter ------------------------------------------------------------------------------


def test_files_to_the_letter(make_bench: Callable[..., Bench], tmp_path: Path) -> None:
    bench = make_bench(personalize__event_values={"View": 0.5}, personalize__user_features=())
    fill(
        bench,
        [
            interaction("u2", "p1", 1, impression="p2|p1", recommendation_id="r1"),
            interaction("u1", "p2", 1, device_type=None),
            interaction("u1", "p1", 0, event_type="Purchase"),
        ],
        [item("p1", name='27" Pan, matt', brand="A\\B"), item("p2", category="Home > Beds|Sale")],
        [
            {"user_id": "u2", "person_id": "2", "membership": "member", "age": 31},
            {"user_id": "u1", "person_id": "1", "membership": "guest", "country": " D\tE "},
        ],
    )
    written = write(bench, tmp_path)
    assert lines(tmp_path, "interactions") == [
        "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP,DEVICE_TYPE,EVENT_VALUE,IMPRESSION,RECOMMENDATION_ID",
        f"u1,p1,Purchase,{START},mobile,,,",
        f"u1,p2,View,{START + 1},,0.5,,",
        f"u2,p1,View,{START + 1},mobile,0.5,p2|p1,r1",
    ]
    assert lines(tmp_path, "items") == [
        "ITEM_ID,PRICE,CATEGORY_L1,CATEGORY_L2,BRAND,PRODUCT_DESCRIPTION",
        r'p1,19.9,Kitchen,,A\\B,"27\" Pan, matt"',
        "p2,19.9,Home|Sale,Beds,Acme,Pan",
    ]
    assert lines(tmp_path, "users") == [
        "USER_ID,MEMBERSHIP,AGE,COUNTRY",
        "u1,guest,,D E",
        "u2,member,31,",
    ]
    part = written.sets["users"].parts[0]
    assert (part.rows, part.bytes) == (2, part.path.stat().st_size)
    assert part.sha256 == hashlib.sha256(part.path.read_bytes()).hexdigest()
    manifest = json.loads((tmp_path / "personalize" / "export.json").read_text())
    assert (manifest["mode"], manifest["received_from"]) == ("FULL", None)
    assert manifest["datasets"]["users"][0]["file"] == "users/part-00001.csv"
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*.csv")} == {0o600}


def nasty(count: int) -> list[dict[str, Any]]:
    draw = random.Random(count)
    odd = ["x", "a,b", 'say "hi"', "back\\slash", "two\nlines", " ", "", "ö 漢", "y" * 257, "t\tb"]
    return [
        interaction(
            draw.choice(odd) + str(n % 3) * draw.randrange(2),
            draw.choice(odd),
            draw.randrange(20_000),
            event_type=draw.choice(["View", "Purchase"]),
            device_type=draw.choice([None, "mobile", " ", "tab\tlet"]),
            n=n,
        )
        for n in range(count)
    ]


def judged(row: dict[str, Any]) -> tuple[str, str] | None:
    """What is wrong with a row, looked at on its own: the first field that is."""
    for field, name in (("USER_ID", "user_id"), ("ITEM_ID", "item_id")):
        text = row[name]
        if not text.strip():
            return field, "is blank"
        if len(text) > 256:
            return field, "is longer than 256 characters"
        if "\n" in text or "\t" in text:
            return field, "holds a line break, a tab or another control character"
    return None


def quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if "," in text else text


def test_pages_of_any_size_write_what_single_rows_do(bench: Bench, tmp_path: Path) -> None:
    rows = {
        (one["epoch_seconds"], one["user_id"], one["item_id"], one["event_type"]): one
        for one in nasty(800)
    }
    chosen = [{k: v for k, v in one.items() if k != "n"} for one in rows.values()]
    fill(bench, chosen)
    good = [rows[key] for key in sorted(rows) if judged(rows[key]) is None]
    device = {None: "", "mobile": "mobile", " ": "", "tab\tlet": "tab let"}
    expected = [
        f"{quoted(one['user_id'])},{quoted(one['item_id'])},{one['event_type']},"
        f"{one['epoch_seconds']},{device[one['device_type']]}"
        for one in good
    ]
    reasons = Counter(reason for one in chosen if (reason := judged(one)))
    assert 200 < len(good) < 700
    for page_rows in (7, 100, 10_000):
        folder = tmp_path / str(page_rows)
        written = write(bench, folder, page_rows=page_rows)
        assert lines(folder, "interactions")[1:] == expected
        rejects = pd.read_csv(folder / "rejects" / "personalize-interactions.csv")
        assert len(rejects) == len(chosen) - len(good)
        assert written.sets["interactions"].left_out == reasons
        measured = written.facts.interactions
        assert (measured.rows, measured.rejected) == (len(good), len(rejects))
        users = Counter(one["user_id"] for one in good)
        assert measured.users() == (len(users), sum(n >= 2 for n in users.values()))


def test_parts_stay_below_the_limit_and_each_has_the_header(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bench, [interaction(f"u{n:05}", "p1", n) for n in range(5_000)])
    whole = write(bench, tmp_path / "whole")
    monkeypatch.setattr(parts, "BLOCK_ROWS", 100)
    monkeypatch.setattr(exports, "_MEGABYTE", 20)
    many = write(bench, tmp_path / "parts")
    assert len(whole.sets["interactions"].parts) == 1
    assert len(many.sets["interactions"].parts) > 10
    headers = 0
    for part in many.sets["interactions"].parts:
        assert part.path.stat().st_size == part.bytes <= 500 * 20
        first = part.path.read_text().splitlines()[0]
        headers += first == "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP,DEVICE_TYPE"
    assert headers == len(many.sets["interactions"].parts)
    content = [one for one in lines(tmp_path / "parts", "interactions") if "USER_ID" not in one]
    assert content == lines(tmp_path / "whole", "interactions")[1:]


def test_a_rerun_writes_the_same_bytes_and_leaves_nothing_of_the_run_before(
    bench: Bench, tmp_path: Path
) -> None:
    rows = [interaction(f"u{n % 7}", f"p{n % 5}", n) for n in range(300)]
    found = []
    for turned in (1, -1):
        fill(bench, rows[::turned])
        write(bench, tmp_path)
        (tmp_path / "personalize" / "left over.csv").write_text("x") if turned == 1 else None
        paths = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        found.append({path: path.read_bytes() for path in paths if "left over" not in path.name})
    assert found[0] == found[1]
    assert not (tmp_path / "personalize" / "left over.csv").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("personalize.")]


def test_an_export_that_cannot_be_finished_leaves_the_one_before(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bench, [interaction("before")])
    write(bench, tmp_path)
    before = {p: p.read_bytes() for p in (tmp_path / "personalize").rglob("*.*")}

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("engagement.personalize.parts.os.fsync", full)
    fill(bench, [interaction("after")])
    with pytest.raises(OSError, match="no space"):
        write(bench, tmp_path)
    assert {p: p.read_bytes() for p in (tmp_path / "personalize").rglob("*.*")} == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("personalize.")]


# --- schemas that the data chooses ----------------------------------------------------------------


def test_a_field_says_why_it_is_as_it_is() -> None:
    found = {
        name: fields.chosen(name, column)
        for name, column in {
            "EMPTY": Column("varchar", 0, 10),
            "SOME": Column("varchar", 7, 10, 3, 2),
            "FEW": Column("varchar", 10, 10, 3, 2),
            "ALL": Column("varchar", 1_000, 1_000, 3, 2),
            "INT": Column("bigint", 1_000, 1_000, 2**31 - 1, 2),
            "LONG": Column("bigint", 1_000, 1_000, 2**31, 2),
            "FLOAT": Column("decimal(18,2)", 1_000, 1_000, 131_071.99, 2),
            "DOUBLE": Column("double", 1_000, 1_000, 131_072, 2),
            "FLAG": Column("boolean", 5, 1_000),
        }.items()
    }
    assert found.pop("EMPTY") is None
    assert {name: f and (f.type, f.optional, f.kind) for name, f in found.items()} == {
        "SOME": ("string", True, "categorical"),
        "FEW": ("string", True, "categorical"),
        "ALL": ("string", False, "categorical"),
        "INT": ("int", False, ""),
        "LONG": ("long", False, ""),
        "FLOAT": ("float", False, ""),
        "DOUBLE": ("double", False, ""),
        "FLAG": ("boolean", True, ""),
    }
    whys = {name: f.why for name, f in found.items() if f}
    assert whys["SOME"] == "2 different values; missing in 3 of 10 rows"
    assert whys["FEW"].endswith("never missing, in too few rows to count on it (10)")
    assert whys["LONG"].startswith("whole numbers, the largest 2,147,483,648 is no int")


def test_long_or_many_texts_of_items_are_language() -> None:
    long = fields.chosen("A", Column("varchar", 5, 5, 1_001, 5), textual=True)
    many = fields.chosen("A", Column("varchar", 5_000, 5_000, 9, 1_001), textual=True)
    few = fields.chosen("A", Column("varchar", 5_000, 5_000, 1_000, 1_000), textual=True)
    assert [one and one.kind for one in (long, many, few)] == ["textual", "textual", "categorical"]


def test_features_come_from_customer_360(make_bench: Callable[..., Bench], tmp_path: Path) -> None:
    bench = make_bench(personalize__user_features=["orders_total", "is_churned_30", "rfm_segment"])
    fill(
        bench,
        [interaction("u1"), interaction("u2")],
        customers=[
            {"person_id": "u1", "orders_total": 3, "is_churned_30": True},
            {"person_id": "somebody else", "orders_total": 2**40, "rfm_segment": "loyal"},
        ],
    )
    write(bench, tmp_path)
    assert lines(tmp_path, "users") == [
        "USER_ID,MEMBERSHIP,ORDERS_TOTAL,IS_CHURNED_30,RFM_SEGMENT",
        "u1,guest,3,true,",
        "u2,guest,,,",
    ]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (["email"], "email tells who somebody is"),
        (["person_id"], "person_id tells who somebody is"),
        (["agee"], "customer 360 has no column agee"),
        (["gender"], "gender is a feature already"),
        (["first_order_date"], "first_order_date is a date, which no schema knows"),
        (["rfm_segment", "rfm_segment"], "a column is named twice"),
    ],
)
def test_what_is_no_feature_is_refused(
    make_bench: Callable[..., Bench], tmp_path: Path, features: list[str], message: str
) -> None:
    bench = make_bench(personalize__user_features=features)
    fill(bench, [interaction()])
    with pytest.raises(PersonalizeError, match=message):
        write(bench, tmp_path)
    assert not (tmp_path / "personalize").exists()


def test_a_group_without_a_domain_needs_no_price(
    make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    rows = [interaction(f"u{n % 40}", f"p{n % 3}", n) for n in range(1_200)]
    items = [item("p0"), item("p1", price=None), item("p2", category=None)]
    counts = {}
    for domain in ("ECOMMERCE", "custom"):
        bench = make_bench(personalize__domain=domain)
        fill(bench, rows, items)
        written = write(bench, tmp_path / domain)
        counts[domain] = written.sets["items"].rows
        found = validate(tmp_path / domain / "personalize", domain)
        assert found == []
        requirements = readiness.check(
            written.facts,
            {name: one.bytes for name, one in written.sets.items()},
            domain=domain == "ECOMMERCE",
        )
        assert readiness.ready(requirements)
    assert counts == {"ECOMMERCE": 1, "custom": 3}


def test_actions_are_written_where_they_are_mapped(
    make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = make_bench(
        personalize__domain="custom",
        personalize__actions={
            "newsletter": {"taken": "Signed Up", "value": 7},
            "app": {"viewed": "Seen", "repeat_after_days": 3},
        },
    )
    fill(
        bench,
        [interaction(f"u{n % 40}", "p1", n) for n in range(1_200)],
        actions=[
            {"user_id": "u1", "action_id": "app", "event_type": "Viewed", "epoch_seconds": START},
            {"user_id": "u0", "action_id": "newsletter", "event_type": "Taken",
             "epoch_seconds": START},
        ],
    )  # fmt: skip
    write(bench, tmp_path)
    assert lines(tmp_path, "actions") == [
        "ACTION_ID,VALUE,REPEAT_FREQUENCY",
        "app,,3",
        "newsletter,7,",
    ]
    assert lines(tmp_path, "action_interactions") == [
        "USER_ID,ACTION_ID,EVENT_TYPE,TIMESTAMP",
        f"u0,newsletter,Taken,{START}",
        f"u1,app,Viewed,{START}",
    ]
    assert validate(tmp_path / "personalize", "custom") == []


def test_impressions_keep_the_services_limits() -> None:
    assert row_values.impression("|".join(f"p{n}" for n in range(30))) == "|".join(
        f"p{n}" for n in range(25)
    )
    long = "x" * 256
    assert row_values.impression("|".join([long] * 5)) == "|".join([long] * 3)
    assert row_values.impression("y" * 1_001) is None


# --- catalogues ---------------------------------------------------------------------------------

CATALOGUE = (
    "product_id,name,category,price,created_at,colour,weight_grams,shelf\n"
    'p1,"Pan, 27""",Home > Pans,21.50,2026-01-02,red,1200,007\n'
    "p9,Ladle,Home,3,1767225600,,80.5,\n"
)


def test_a_catalogue_comes_before_what_events_say(
    make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    path = tmp_path / "products.csv"
    path.write_text(CATALOGUE, encoding="utf-8-sig")
    bench = make_bench(personalize__catalogue=str(path))
    fill(bench, [interaction(item="p1"), interaction(item="p2")])
    write(bench, tmp_path)
    created = int(datetime(2026, 1, 2, tzinfo=UTC).timestamp())
    assert lines(tmp_path, "items") == [
        (
            "ITEM_ID,PRICE,CATEGORY_L1,CATEGORY_L2,BRAND,PRODUCT_DESCRIPTION,CREATION_TIMESTAMP,"
            "COLOUR,WEIGHT_GRAMS,SHELF"
        ),
        f'p1,21.5,Home,Pans,Acme,"Pan, 27\\"",{created},red,1200.0,007',
        "p2,19.9,Kitchen,,Acme,Pan,,,,",
        f"p9,3.0,Home,,,Ladle,{START},,80.5,",
    ]
    types = {f["name"]: f["type"] for f in json.loads(
        (tmp_path / "personalize" / "items.avsc").read_text())["fields"]}  # fmt: skip
    assert types["CREATION_TIMESTAMP"] == ["null", "long"]
    assert (types["WEIGHT_GRAMS"], types["SHELF"]) == (["null", "float"], ["null", "string"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,price\nPan,1\n", "the column product_id is missing from its first line"),
        (b"", "the column product_id is missing from its first line"),
        (b"product_id,name,name\np1,a,b\n", "the column name is there twice"),
        (b"product_id,a b\np1,x\n", "'a b' is no name for a column"),
        (b"product_id,category_l1\np1,x\n", "the field CATEGORY_L1 is made here"),
        (b"product_id,name\np1,caf\xe9\n", "it is not UTF-8"),
        (b"product_id" + b"".join(b",c%d" % n for n in range(91)), "91 columns of its own"),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(
    make_bench: Callable[..., Bench], tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "products.csv"
    path.write_bytes(content)
    bench = make_bench(personalize__catalogue=str(path))
    fill(bench, [interaction()])
    with pytest.raises(PersonalizeError, match=f"personalize.catalogue: products.csv.*{message}"):
        write(bench, tmp_path)


def test_a_missing_catalogue_is_told(make_bench: Callable[..., Bench], tmp_path: Path) -> None:
    bench = make_bench(personalize__catalogue=str(tmp_path / "none.csv"))
    fill(bench, [interaction()])
    with pytest.raises(PersonalizeError, match="there is no such file"):
        write(bench, tmp_path)


def test_each_bad_row_of_a_catalogue_is_named(
    make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    path = tmp_path / "products.csv"
    path.write_text(
        "product_id,price,created_at,colour\n"
        "good,1,2026-01-01,red\n"
        ",1,,\n"
        "good,2,,\n"
        "dear,a lot,,\n"
        "below,-1,,\n"
        "when,,yesterday,\n"
        "tomorrow,,2026-02-01,\n"
        "short,1\n"
        f"{'x' * 257},1,,\n"
        "\n"
        f"colourful,1,,{'c' * 1_001}\n"
    )
    bench = make_bench(personalize__catalogue=str(path), personalize__domain="custom")
    fill(bench, [interaction(item="good")])
    written = write(bench, tmp_path)
    assert {(r.id[:9], r.field, r.reason) for r in written.catalogue} == {
        ("row 3", "product_id", "is missing"),
        ("good", "product_id", "is there more than once; the first row is used"),
        ("dear", "price", "is no number"),
        ("below", "price", "is below zero"),
        ("when", "created_at",
         "is no moment: write 2026-10-30, 2026-10-30T10:00:00Z or seconds"),
        ("tomorrow", "created_at", "is after the as-of date 2026-01-31"),
        ("row 9", "row", "has 2 cells, the first line has 4"),
        ("xxxxxxxxx", "product_id", "is longer than 256 characters"),
    }  # fmt: skip
    assert ("catalogue", "price is below zero", 1) in set(
        written.left_out().itertuples(index=False, name=None)
    )
    listed = (tmp_path / "rejects" / "personalize-catalogue.csv").read_text()
    assert "below,price,is below zero" in listed
    assert [line.split(",")[0] for line in lines(tmp_path, "items")[1:]] == ["colourful", "good"]


# --- bad interactions ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "finding"),
    [
        ({"user_id": " "}, ("USER_ID", "is blank")),
        ({"user_id": "x" * 257}, ("USER_ID", "is longer than 256 characters")),
        ({"item_id": "y" * 257}, ("ITEM_ID", "is longer than 256 characters")),
        ({"item_id": "a\nb"},
         ("ITEM_ID", "holds a line break, a tab or another control character")),
        ({"event_type": ""}, ("EVENT_TYPE", "is blank")),
        ({"event_type": None}, ("EVENT_TYPE", "is missing")),
        ({"device_type": "d" * 1_001}, ("DEVICE_TYPE", "is longer than 1,000 characters")),
        ({"recommendation_id": "r" * 41}, ("RECOMMENDATION_ID", "is longer than 40 characters")),
    ],
)  # fmt: skip
def test_a_bad_interaction_is_left_out_by_name(
    bench: Bench, tmp_path: Path, more: dict[str, Any], finding: tuple[str, str]
) -> None:
    fill(bench, [interaction("good"), interaction("bad") | more])
    written = write(bench, tmp_path)
    assert written.sets["interactions"].left_out == {finding: 1}
    assert [line.split(",")[0] for line in lines(tmp_path, "interactions")[1:]] == ["good"]


def test_too_little_to_learn_from_is_told(bench: Bench, tmp_path: Path) -> None:
    fill(bench, [interaction(f"u{n}", "p1", n) for n in range(999)])
    written = write(bench, tmp_path)
    sizes = {name: one.bytes for name, one in written.sets.items()}
    found = {r.name: r for r in readiness.check(written.facts, sizes)}
    assert not readiness.ready(list(found.values()))
    assert not found["unique interactions"].ok
    assert not found["users with two interactions or more"].ok
    assert not found["interactions, advised"].ok
    assert "999 unique interactions" in validate(tmp_path / "personalize")


def test_nothing_at_all_is_an_export_of_headers(bench: Bench, tmp_path: Path) -> None:
    fill(bench, [])
    written = write(bench, tmp_path)
    assert lines(tmp_path, "interactions") == ["USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP"]
    assert {name: one.rows for name, one in written.sets.items()} == {
        "interactions": 0, "items": 0, "users": 0,
    }  # fmt: skip


# --- increments ---------------------------------------------------------------------------------

DAY = 86_400


def history(bench: Bench) -> None:
    """1,500 interactions on each of three days; two of the first were received on the third.

    One was received on the fourth, which tables as of the third day could not have.
    """
    rows = [
        interaction(f"u{n % 50}", f"p{day}", day * DAY + n)
        for day in range(3)
        for n in range(1_500)
    ]
    late = {"received_at": "2026-01-03 09:00"}
    beyond = interaction("beyond", "p0", 0, received_at="2026-01-04 00:00")
    fill(bench, [*rows, *(interaction("late", "p0", n, **late) for n in range(2)), beyond])


def test_an_increment_is_what_was_received_between_two_days(bench: Bench, tmp_path: Path) -> None:
    history(bench)
    write(bench, tmp_path / "full")
    schemas = tmp_path / "full" / "personalize"
    found = []
    for folder in ("one", "again"):
        written = write(
            bench,
            tmp_path / folder,
            as_of=date(2026, 1, 3),
            since=whole_day(date(2026, 1, 2), "UTC"),
            schemas=schemas,
        )
        paths = sorted(path for path in (tmp_path / folder).rglob("*") if path.is_file())
        found.append([(p.relative_to(tmp_path / folder), p.read_bytes()) for p in paths])
    assert found[0] == found[1]
    assert written.mode == "INCREMENTAL"
    rows = lines(tmp_path / "one", "interactions")[1:]
    assert len(rows) == 1_502
    assert [row.split(",")[0] for row in rows[:2]] == ["late", "late"]
    assert [row.split(",")[0] for row in lines(tmp_path / "one", "items")[1:]] == [
        *("p0", "p1", "p2")
    ]
    assert len(lines(tmp_path / "one", "users")) == 1 + 51
    for name in ("interactions", "items", "users"):
        same = f"{name}.avsc"
        new = json.loads((tmp_path / "one" / "personalize" / same).read_text())
        assert new == json.loads((schemas / same).read_text())
    assert validate(tmp_path / "one" / "personalize", incremental=True) == []


def test_an_increment_of_fewer_rows_than_an_import_needs_is_not_written(
    bench: Bench, tmp_path: Path
) -> None:
    history(bench)
    write(bench, tmp_path / "full")
    for since, message in (
        (date(2026, 1, 3), "only 1 interaction came in"),
        (date(2026, 1, 31), "ends before it begins"),
    ):
        with pytest.raises(PersonalizeError, match=message):
            write(
                bench,
                tmp_path / "increment",
                since=whole_day(since, "UTC"),
                schemas=tmp_path / "full" / "personalize",
            )
    assert not (tmp_path / "increment" / "personalize").exists()


def test_an_increment_needs_the_schemas_of_the_full_export(bench: Bench, tmp_path: Path) -> None:
    history(bench)
    since = whole_day(date(2026, 1, 2), "UTC")
    with pytest.raises(PersonalizeError, match="and the schemas"):
        write(bench, tmp_path, since=since)
    with pytest.raises(PersonalizeError, match=r"interactions\.avsc is missing"):
        write(bench, tmp_path, since=since, schemas=tmp_path / "nowhere")
    (tmp_path / "interactions.avsc").write_text("{}")
    with pytest.raises(PersonalizeError, match="is no schema of Amazon Personalize"):
        write(bench, tmp_path, since=since, schemas=tmp_path)


def test_rows_of_an_increment_that_the_old_schema_does_not_take_are_left_out(
    bench: Bench, tmp_path: Path
) -> None:
    """All of the first 1,500 rows had a device, so the schema asks for one."""
    fill(bench, [interaction(f"u{n % 50}", "p0", n) for n in range(1_500)])
    write(bench, tmp_path / "full")
    fill(
        bench,
        [
            *(interaction(f"u{n % 50}", "p0", DAY + n) for n in range(1_500)),
            interaction("new", "p0", DAY, device_type=None),
        ],
    )
    written = write(
        bench,
        tmp_path / "more",
        since=whole_day(date(2026, 1, 1), "UTC"),
        schemas=tmp_path / "full" / "personalize",
    )
    assert written.sets["interactions"].left_out == {("DEVICE_TYPE", "is missing"): 1}
