"""A person is erased: nothing of them is found any more, and all else is as if they had never been.

The landing is filled by hand. What is theirs is marked, so that the same landing without it can be
made beside, and taken in by one full run: the two warehouses must then be equal.
"""

from __future__ import annotations

import base64
import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engagement.as_of import resolve_as_of
from engagement.erasure.erase import ErasureError, Findings, NobodyError, erase
from engagement.flatten import flatten
from engagement.flatten.status import status
from engagement.landing import do_not_reload
from engagement.models.runner import build, models
from engagement.runs.leftovers import start_over
from engagement.settings import Settings
from engagement.warehouse import Table, WarehouseError, costs
from engagement.warehouse.statements import Statement
from tests.flatten.conftest import Shop, folder, make_shop  # noqa: F401 (a fixture)

FIRST, SECOND, THIRD = "2026-01-05", "2026-01-06", "2026-01-09"
PERSON, FORMER, OTHER = "user-erase-7", "former-erase-7", "user-stays-8"
OWN, SHARED, THEIRS_TOO = "device-own-71", "device-shared-72", "device-former-73"
MARKER = "markerofthisperson"

Line = tuple[bool, Any]


def sent(day: str, number: int, **keys: Any) -> dict[str, Any]:
    """An event received on a day, at minute ``number`` after noon."""
    at = f"{day}T12:{number:02d}:00.000Z"
    event = {
        "messageId": f"m-{day}-{number}",
        "type": "track",
        "event": "Product Viewed",
        "anonymousId": "device-stays-80",
        "userId": "",
        "receivedAt": at,
        "timestamp": at,
        "originalTimestamp": at,
        "sentAt": at,
        "properties": {"product_id": "p1", "price": 10},
        **keys,
    }
    return {key: value for key, value in event.items() if value is not ...}


def theirs(*args: Any, **keys: Any) -> Line:
    return True, sent(*args, **keys)


def others(*args: Any, **keys: Any) -> Line:
    return False, sent(*args, **keys)


ORDER = {
    "order_id": "o-theirs",
    "revenue": 50,
    "total": 55,
    "products": [{"product_id": MARKER, "price": 50, "quantity": 1}],
}

FILES: dict[str, list[Line]] = {
    f"{folder(FIRST)}/a.gz": [
        # Before signing in, on a device that nobody else used.
        theirs(FIRST, 1, anonymousId=OWN, properties={"query": MARKER}, event="Products Searched"),
        others(FIRST, 2, properties={"product_id": "p2", "price": 12, "size": 5}),
        theirs(
            FIRST,
            3,
            anonymousId=OWN,
            userId=PERSON,
            type="identify",
            event=...,
            properties=...,
            context={"traits": {"email": f"{MARKER}@shop.example", "age": 40}},
        ),
        theirs(FIRST, 4, anonymousId=OWN, userId=PERSON, event=f"Only {MARKER}"),
        theirs(FIRST, 5, anonymousId=OWN, userId=PERSON, event="Order Completed", properties=ORDER),
        # A value that makes a column a text, where everybody else's are numbers.
        theirs(FIRST, 6, userId=PERSON, anonymousId=OWN, properties={"size": MARKER, "only": 1}),
        # A price that is none, so that it is a row of discards.
        theirs(FIRST, 7, userId=PERSON, anonymousId=OWN, properties={"price": MARKER}),
        (False, "{broken by somebody else"),
        (True, f'{{"type":"track","userId":"{PERSON}","properties":{{"x":"{MARKER}'),
    ],
    f"{folder(SECOND)}/b.json": [
        # Formerly under another user id, on another device.
        theirs(SECOND, 1, anonymousId=THEIRS_TOO, userId=FORMER, properties={"name": MARKER}),
        theirs(SECOND, 2, anonymousId=THEIRS_TOO, properties={"name": MARKER}),
        theirs(
            SECOND,
            3,
            userId=PERSON,
            anonymousId=OWN,
            type="alias",
            previousId=FORMER,
            event=...,
            properties=...,
        ),
        # A device that both use: what is signed by somebody is theirs, the rest stays.
        theirs(SECOND, 4, anonymousId=SHARED, userId=PERSON, properties={"name": MARKER}),
        others(SECOND, 5, anonymousId=SHARED, userId=OTHER, type="identify", event=...),
        others(SECOND, 6, anonymousId=SHARED, properties={"name": "whose is unclear"}),
        others(SECOND, 7, anonymousId=SHARED, userId=OTHER, event="Order Completed",
               properties={"order_id": "o-others", "revenue": 20, "total": 22}),
        # A repeated delivery, and one that gives a key twice.
        theirs(SECOND, 4, anonymousId=SHARED, userId=PERSON, properties={"name": MARKER}),
        (
            True,
            (f'{{"type":"track","event":"Twice","messageId":"tw","userId":"x","userId":"{PERSON}",'
            f'"receivedAt":"{SECOND}T13:00:00.000Z","properties":{{"a":1,"a":"{MARKER}"}}}}'),
        ),
        (
            False,
            ('{"type":"track","event":"Twice","messageId":"tw2","userId":"x","userId":"y",'
            f'"receivedAt":"{SECOND}T13:00:00.000Z","properties":{{"a":1,"a":"stays"}}}}'),
        ),
        # Somebody else's message that names the person.
        theirs(SECOND, 8, userId=OTHER, anonymousId="device-stays-81", event="Friend Invited",
               properties={"friend_id": PERSON, "note": MARKER}),
    ],
    f"{folder(THIRD)}/c.json": [
        others(THIRD, 1, userId=OTHER, anonymousId="device-stays-81"),
        others(THIRD, 2),
    ],
}  # fmt: skip


def text(line: Any) -> bytes:
    return (line if isinstance(line, str) else json.dumps(line)).encode()


def fill(landing: Path, *, without: bool = False, files: dict[str, list[Line]] = FILES) -> None:
    """Land the files; ``without`` the person."""
    for name, lines in files.items():
        path = landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = b"".join(
            text(line) + b"\n" for is_theirs, line in lines if not (is_theirs and without)
        )
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def bytes_of(folder_: Path) -> bytes:
    """Everything in a folder, files of gzip unzipped too."""
    found = b""
    for path in sorted(folder_.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            found += data + (gzip.decompress(data) if path.suffix == ".gz" else b"")
    return found


def model(shop: Shop) -> None:
    layers = sorted({one.layer for one in models().values()})
    build(shop.warehouse, shop.settings, resolve_as_of(shop.warehouse, shop.settings), layers)


def marts(shop: Shop) -> dict[str, list[Any]]:
    with shop.warehouse.session() as session:
        names = session.tables("marts")
    return {name: sorted(shop.rows(f'select * from marts."{name}"'), key=repr) for name in names}


LISTS = {str(do_not_reload.ERASED), str(do_not_reload.KEY)}


def equal(left: Shop, right: Shop, *, but: set[str] = LISTS) -> None:
    ours, theirs_ = left.tables(), right.tables()
    assert ours.keys() - but == theirs_.keys() - but
    for name in theirs_.keys() - but:
        assert ours[name] == theirs_[name], name


def erase_in(shop: Shop, *ids: str, **more: Any) -> Findings:
    return erase(shop.settings, ids or (PERSON,), dry_run=False, **more)


@pytest.fixture
def two(make_shop: Callable[..., Shop]) -> tuple[Shop, Shop]:  # noqa: F811
    """A shop with the person, taken in; and one that never had them."""
    shop, never = make_shop(), make_shop()
    fill(shop.landing)
    fill(never.landing, without=True)
    shop.flatten()
    never.flatten()
    return shop, never


def state(shop: Shop) -> dict[str, bytes]:
    home = shop.path.parent
    return {
        path.relative_to(home).as_posix(): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.mark.slow
def test_nothing_is_found_and_all_else_is_as_if_they_had_never_been(two: tuple[Shop, Shop]) -> None:
    shop, never = two
    model(shop)
    model(never)
    runs = shop.settings.path(shop.settings.run.directory) / "20260110T000000Z-aaaa"
    people = dict(shop.rows("select user_id, person_id from marts.customer_360"))
    log = [Statement(f"events.{name}", "", 1, 0.1) for name in (f"only_{MARKER}", "tracks")]
    costs.remember(shop.warehouse, "run", [replace(s, started_at=f"{FIRST}T12:00") for s in log], 9)
    export(runs, people)
    before = {name: (shop.landing / name).read_bytes() for name in FILES}
    # The marker is found where it is: the search below is no empty one.
    for place in (shop.path.read_bytes(), bytes_of(shop.landing), bytes_of(runs.parent)):
        assert MARKER.encode() in place
    found = erase_in(shop)

    assert found.who.user_ids == {PERSON, FORMER}
    assert found.who.devices == {OWN, THEIRS_TOO, FORMER}
    assert found.who.shared == {SHARED}
    rest = shop.path.read_bytes() + bytes_of(shop.landing) + bytes_of(runs.parent)
    for secret in (PERSON, FORMER, OWN, THEIRS_TOO, MARKER, people[PERSON]):
        assert secret.encode() not in rest, secret

    # Files: what is left is left byte for byte, and a file that did not hold them was not touched.
    fill(never.landing, without=True)
    for name in FILES:
        data, expected = (shop.landing / name).read_bytes(), (never.landing / name).read_bytes()
        if name.endswith(".gz"):
            data, expected = gzip.decompress(data), gzip.decompress(expected)
        assert data == expected
    assert (shop.landing / f"{folder(THIRD)}/c.json").read_bytes() == before[
        f"{folder(THIRD)}/c.json"
    ]

    equal(shop, never)
    assert shop.rows("select label from landing.run_statements order by nth") == [
        ("a table that is no more",),
        ("events.tracks",),
    ]
    assert marts(shop) == marts(never)
    receipt = found.receipt
    # By hand: 1, 3 to 7 and the broken line; 1 to 4, the repeat, the key given twice, the friend.
    assert receipt.landing == {f"{folder(FIRST)}/a.gz": 7, f"{folder(SECOND)}/b.json": 7}
    assert receipt.why == {"anonymous_id": 2, "named": 2, "user_id": 10}
    assert receipt.dates == [FIRST, SECOND]
    assert all(counts["after"] == 0 for counts in receipt.tables.values())
    assert receipt.left == []
    assert receipt.runs == {
        "20260110T000000Z-aaaa/exports/pinpoint/buyers-001.csv": "1 row",
        "20260110T000000Z-aaaa/exports/pinpoint/buyers-001.json": "1 row",
        "20260110T000000Z-aaaa/notebooks/02.html": "removed, since it shows the person",
        "20260110T000000Z-aaaa/run.json": "2 rows",
    }
    assert (runs / "notebooks/03.html").exists()
    record = json.loads((runs / "run.json").read_text())
    assert "notebooks/02.html" not in record["files"]
    assert record["tables"] == {"events.tracks": 9}
    assert record["each_statement"] == [{"label": "events.tracks", "rows": 1}]
    assert record["files"]["exports/pinpoint/buyers-001.csv"]["bytes"] == (
        (runs / "exports/pinpoint/buyers-001.csv").stat().st_size
    )

    # Again: nothing more is found, and nothing changes.
    tables, files = shop.tables(), {name: (shop.landing / name).read_bytes() for name in FILES}
    again = erase_in(shop)
    assert again.receipt.records == 0
    assert again.receipt.dates == []
    assert again.receipt.models.keys() == {"unchanged"}
    for name in tables.keys() - LISTS:
        assert shop.tables()[name] == tables[name]
    assert {name: (shop.landing / name).read_bytes() for name in FILES} == files
    assert shop.flatten().days_read == ()


def export(run: Path, people: dict[str, str]) -> None:
    """A run's folder with exports and pages, some of which show the person."""
    (run / "exports/pinpoint").mkdir(parents=True)
    (run / "notebooks").mkdir()
    rows = "".join(f"e{place},{person}\n" for place, person in enumerate(people.values()))
    (run / "exports/pinpoint/buyers-001.csv").write_text(f"Id,User.UserId\n{rows}")
    lines = [json.dumps({"Id": i, "User": {"UserId": p}}) for i, p in enumerate(people.values())]
    (run / "exports/pinpoint/buyers-001.json").write_text("\n".join(lines) + "\n")
    (run / "notebooks/02.html").write_text(f"<p>only_{MARKER} has 1 row</p>")
    (run / "notebooks/03.html").write_text("<p>Product Viewed has 9 rows</p>")
    names = ("exports/pinpoint/buyers-001.csv", "notebooks/02.html")
    files = {name: {"bytes": 1, "sha256": ""} for name in names}
    tables = {"events.tracks": 9, f"events.only_{MARKER}": 1}
    statements = [{"label": name, "rows": 1} for name in tables]
    record = {"id": run.name, "tables": tables, "each_statement": statements, "files": files}
    (run / "run.json").write_text(json.dumps(record))


def test_a_dry_run_tells_and_changes_nothing(two: tuple[Shop, Shop]) -> None:
    shop, _ = two
    before = state(shop)
    found = erase(shop.settings, [PERSON])
    assert found.path is None
    assert found.receipt.records == 14
    # By hand: 3 to 7 of the first day; 1, 2 and 4 of the second, the alias, the key given twice.
    # The repeat is a duplicate, and what others sent is not the person's.
    assert found.receipt.tables["events.events"] == {"before": 11}
    assert found.receipt.tables["events.users"] == {"before": 1}
    assert state(shop) == before


def test_a_late_delivery_stays_out_and_the_ledger_adds_up(two: tuple[Shop, Shop]) -> None:
    shop, _ = two
    erase_in(shop)
    late = {
        f"{folder('2026-01-12')}/late.json": [
            theirs(FIRST, 1, anonymousId=OWN, properties={"query": MARKER}),
            theirs("2026-01-12", 1, userId=PERSON, anonymousId=SHARED, properties={"a": MARKER}),
            theirs("2026-01-12", 2, userId=FORMER, anonymousId="new", type="nonsense"),
            # Exactly what another person had sent before.
            theirs(SECOND, 8, userId=OTHER, anonymousId="device-stays-81", event="Friend Invited",
                   properties={"friend_id": "somebody", "note": MARKER}),
            # The device's next visit is long after the erasure, and is nobody's who was erased.
            others("2026-01-12", 3, anonymousId=OWN, timestamp="2099-01-01T00:00:00.000Z",
                   receivedAt="2099-01-01T00:00:00.000Z"),
            others("2026-01-12", 4, userId="user-new-9", anonymousId=OWN),
        ]
    }  # fmt: skip
    fill(shop.landing, files=late)
    shop.flatten()
    assert shop.rows(
        "select records, events, duplicates, quarantined from landing.ledger "
        "where received_at_utc_date = '2026-01-12'"
    ) == [(6, 1, 0, 5)]
    assert shop.rows(
        "select reason, record, record_encoding, line_number from landing.quarantine "
        "where received_at_utc_date = '2026-01-12' order by line_number"
    ) == [("erased", None, None, number) for number in (1, 2, 3, 4, 5)]
    assert MARKER.encode() not in shop.path.read_bytes()
    lines = status(shop.warehouse, shop.settings).lines
    assert any(line.startswith("5 records of people who were erased have landed") for line in lines)
    # It still lies in the landing: that goes when erasure is run again, by the list alone.
    assert MARKER.encode() in bytes_of(shop.landing)
    found = erase(shop.settings, [], dry_run=False)
    assert found.receipt.landing == {f"{folder('2026-01-12')}/late.json": 4}
    assert MARKER.encode() not in bytes_of(shop.landing)
    assert shop.rows(
        "select records, events, duplicates, quarantined from landing.ledger "
        "where received_at_utc_date = '2026-01-12'"
    ) == [(2, 1, 0, 1)]


@pytest.mark.parametrize("gone", [(FIRST, SECOND), (FIRST, SECOND, THIRD), (SECOND,)])
def test_dates_whose_files_are_gone_are_erased_from_the_tables(
    make_shop: Callable[..., Shop],  # noqa: F811
    gone: tuple[str, ...],
) -> None:
    shop, never = make_shop(), make_shop()
    for one, without in ((shop, False), (never, True)):
        fill(one.landing, without=without)
        one.flatten()
        for day in gone:
            shutil.rmtree(one.landing / folder(day))
    found = erase_in(shop)
    assert (found.receipt.landing == {}) is (FIRST in gone)
    assert found.receipt.dates == [FIRST, SECOND]
    equal(shop, never)
    for secret in (PERSON, FORMER, OWN, THEIRS_TOO, MARKER):
        assert secret.encode() not in shop.path.read_bytes(), secret
    assert flatten(shop.warehouse, shop.settings, only=set()).days_read == ()


@pytest.mark.slow
def test_one_that_is_stopped_anywhere_is_finished_by_the_next(
    two: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at every fifth thing that is written: a publication or a landed file."""
    from engagement.warehouse.duckdb.session import DuckDBSession
    from engagement.warehouse.objects import FolderObjects

    shop, never = two
    for one in two:
        shutil.rmtree(one.landing / folder(FIRST))  # one date is known from the tables alone
    whole = shop.path.parent.with_name("whole")
    shutil.copytree(shop.path.parent, whole)
    stopped = 0
    for at in range(1, 1000, 5):
        shutil.rmtree(shop.path.parent)
        shutil.copytree(whole, shop.path.parent)
        calls = iter(range(1, 1000))
        for owner, name in ((DuckDBSession, "publish"), (FolderObjects, "replace")):
            real = getattr(owner, name)

            def stopping(
                *args: Any, _real: Any = real, _at: int = at, _calls: Any = calls, **keywords: Any
            ) -> Any:
                if next(_calls) == _at:
                    raise KeyboardInterrupt
                return _real(*args, **keywords)

            monkeypatch.setattr(owner, name, stopping)
        try:
            erase_in(shop)
            done = True
        except KeyboardInterrupt:
            done = False
            stopped += 1
        monkeypatch.undo()
        erase_in(shop)
        equal(shop, never)
        for secret in (PERSON, FORMER, OWN, THEIRS_TOO, MARKER):
            found = shop.path.read_bytes() + bytes_of(shop.landing)
            assert secret.encode() not in found, (at, secret)
        if done:
            break
    assert stopped > 5


def test_a_files_freed_blocks_hold_the_person_until_it_is_written_anew(
    two: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    from engagement.warehouse.duckdb import file

    shop, _ = two
    with monkeypatch.context() as patch:
        patch.setattr(file, "rewrite", lambda path: file.Rewritten(0, 0, 0))
        erase_in(shop)
    assert MARKER.encode() in shop.path.read_bytes()
    before = shop.tables()
    erase_in(shop)
    assert MARKER.encode() not in shop.path.read_bytes()
    assert {k: v for k, v in shop.tables().items() if k not in LISTS} == {
        k: v for k, v in before.items() if k not in LISTS
    }
    assert [path.name for path in shop.path.parent.iterdir() if "rewriting" in path.name] == []


def test_the_receipt_holds_no_id(two: tuple[Shop, Shop]) -> None:
    shop, _ = two
    found = erase_in(shop)
    assert found.path is not None
    text_ = found.path.read_text()
    for secret in (PERSON, FORMER, OWN, SHARED, THEIRS_TOO, MARKER):
        assert secret not in text_
    [(secret_,)] = shop.rows("select secret from landing.erasure_key")
    assert secret_ not in text_
    document = json.loads(text_)
    assert document["status"] == "done"
    assert document["people"] == [erased_digest(secret_, PERSON)]


def erased_digest(secret: str, value: str) -> str:
    import hashlib

    return hashlib.sha256(f"{secret}:user_id:{value}".encode()).hexdigest()


def test_what_others_sent_may_stay_though_it_names_the_person(two: tuple[Shop, Shop]) -> None:
    shop, _ = two
    found = erase_in(shop, keep_named=True)
    assert found.receipt.why == {"anonymous_id": 2, "named": 1, "user_id": 10}
    assert shop.rows("select friend_id from events.friend_invited") == [(PERSON,)]


def test_only_the_sources_asked_for_are_erased(make_shop: Callable[..., Shop]) -> None:  # noqa: F811
    shop = make_shop(landing__write_keys=["web"])
    fill(
        shop.landing,
        files={
            f"{folder(FIRST)}/a.json": [
                theirs(FIRST, 1, userId=PERSON, writeKey="web"),
                others(FIRST, 2, userId=PERSON, writeKey="app"),
            ]
        },
    )
    shop.flatten()
    found = erase_in(shop)
    assert found.receipt.why == {"user_id": 1}
    assert found.receipt.left == [
        (
            "1 record in the landing is the person's, but of sources that landing.write_keys "
            "leaves out: they belong to others, and stay"
        )
    ]
    assert b'"app"' in bytes_of(shop.landing)


def test_what_cannot_be_read_is_named(two: tuple[Shop, Shop]) -> None:
    shop, _ = two
    (shop.landing / folder(FIRST) / "broken.gz").write_bytes(b"no gzip")
    found = erase_in(shop)
    [left] = found.receipt.left
    assert left.startswith(f"{folder(FIRST)}/broken.gz could not be read (no valid gzip")


def test_files_that_readers_pass_over_are_looked_through_too(two: tuple[Shop, Shop]) -> None:
    shop, _ = two
    failed = json.dumps({"errorCode": "x", "rawData": base64.b64encode(
        json.dumps(sent(FIRST, 1, userId=PERSON, anonymousId=OWN)).encode()).decode()})  # fmt: skip
    for name in ("stray.json", f"{folder(FIRST)}/_hidden.json", "processing-failed/x"):
        path = shop.landing / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{failed}\n" + json.dumps(sent(FIRST, 2)) + "\n")
    found = erase_in(shop)
    assert {n: c for n, c in found.receipt.landing.items() if c == 1} == {
        "stray.json": 1,
        f"{folder(FIRST)}/_hidden.json": 1,
        "processing-failed/x": 1,
    }
    assert (shop.landing / "stray.json").read_text() == json.dumps(sent(FIRST, 2)) + "\n"


def test_what_firehose_could_not_deliver_is_looked_through_where_it_lies(
    make_shop: Callable[..., Shop],  # noqa: F811
    tmp_path: Path,
) -> None:
    shop = make_shop(landing__errors_location=str(tmp_path / "errors"))
    fill(shop.landing)
    shop.flatten()
    path = tmp_path / "errors/processing-failed/2026/01/05/x.gz"
    path.parent.mkdir(parents=True)
    event = json.dumps(sent(FIRST, 1, userId=PERSON, anonymousId=OWN)).encode()
    failed = json.dumps({"errorCode": "x", "rawData": base64.b64encode(event).decode()})
    path.write_bytes(gzip.compress(f"{failed}\n".encode()))
    found = erase_in(shop)
    assert found.receipt.landing["errors_location/processing-failed/2026/01/05/x.gz"] == 1
    assert gzip.decompress(path.read_bytes()) == b""


def test_a_file_that_is_written_meanwhile_is_not_overwritten(
    two: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    from engagement.warehouse.objects import FolderObjects

    shop, _ = two
    path = shop.landing / f"{folder(SECOND)}/b.json"
    replace = FolderObjects.replace

    def late(self: FolderObjects, name: str, old: Any, data: bytes) -> None:
        if name.endswith("b.json"):
            path.write_bytes(b"new")
        replace(self, name, old, data)

    monkeypatch.setattr(FolderObjects, "replace", late)
    with pytest.raises(WarehouseError, match="was written meanwhile"):
        erase_in(shop)
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("nobody", ["", "  ", "null", "Undefined", "0"])
def test_a_placeholder_is_nobody(two: tuple[Shop, Shop], nobody: str) -> None:
    with pytest.raises(ErasureError, match="stands for no id"):
        erase(two[0].settings, [nobody])


def test_a_stranger_is_nobody_unless_they_are_blocked_in_advance(two: tuple[Shop, Shop]) -> None:
    shop, _ = two
    before, there = shop.tables(), state(shop)
    for dry_run in (True, False):
        with pytest.raises(NobodyError) as told:
            erase(shop.settings, [PERSON, "user-of-nobody-1"], dry_run=dry_run)
        assert "the user id 'user-of-nobody-1' is nobody's" in str(told.value)
        assert state(shop) == there
    found = erase_in(shop, "user-of-nobody-1", block=True)
    assert (found.receipt.records, found.receipt.tables, found.receipt.dates) == (0, {}, [])
    assert found.receipt.ids["user ids that nobody has (blocked in advance)"] == 1
    assert {k: v for k, v in shop.tables().items() if k not in LISTS} == before
    assert shop.rows("select id_type, count(*) from landing.erased group by 1") == [("user_id", 1)]
    # Known now, to the list: to ask again is no mistake.
    assert erase_in(shop, "user-of-nobody-1").receipt.status == "done"
    # What they send later stays out.
    late = f"{folder('2026-01-20')}/a.json"
    fill(shop.landing, files={late: [theirs("2026-01-20", 1, userId="user-of-nobody-1")]})
    shop.flatten()
    rows = shop.rows("select reason, records from landing.quarantine_reasons where reason='erased'")
    assert rows == [("erased", 1)]


def test_similar_ids_are_told_apart_from_the_message(two: tuple[Shop, Shop]) -> None:
    shop, _ = two
    for asked, similar in (
        ("user-erase-8", [PERSON]),
        (" User-Erase-7 ", [PERSON]),
        ("qqq", []),
    ):
        with pytest.raises(NobodyError) as told:
            erase(shop.settings, [asked])
        assert told.value.alike[asked][:1] == similar
        assert f"'{asked}'" in str(told.value)
        assert PERSON not in str(told.value)
    assert not shop.settings.path(shop.settings.run.directory).exists()


def test_an_id_that_others_alone_name_or_an_old_export_is_somebodys(
    two: tuple[Shop, Shop],
) -> None:
    shop, _ = two
    named = f"{folder(THIRD)}/d.json"
    fill(
        shop.landing,
        files={named: [others(THIRD, 3, userId=OTHER, properties={"friend_id": "user-named-9"})]},
    )
    assert erase(shop.settings, ["user-named-9"]).receipt.why == {"named": 1}
    old = shop.settings.path(shop.settings.run.directory) / "run" / "a.csv"
    old.parent.mkdir(parents=True)
    old.write_text("user_id\nuser-exported-9\n")
    assert erase(shop.settings, ["user-exported-9"]).receipt.runs == {"run/a.csv": "1 row"}


def test_what_killed_runs_have_spilled_is_removed_and_said(two: tuple[Shop, Shop]) -> None:
    shop, _ = two
    spilled = shop.path.with_name(shop.path.name + ".tmp")
    (spilled / "deeper").mkdir(parents=True)
    for name in ("duckdb_temp_storage_DEFAULT-0.tmp", "deeper/duckdb_temp_block-1.block"):
        (spilled / name).write_text(MARKER)
    outside = shop.path.parent / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (spilled / "link").symlink_to(outside)
    erase(shop.settings, [PERSON])
    assert len(list(spilled.rglob("*"))) == 4
    found = erase_in(shop)
    assert found.receipt.forgotten["files that killed runs had spilled to disk"] == 3
    assert not spilled.exists()
    assert (outside / "kept").read_text() == "kept"
    assert found.path is not None
    assert "spilled to disk" in found.path.read_text()
    assert erase_in(shop).receipt.forgotten["files that killed runs had spilled to disk"] == 0


def test_starting_over_keeps_receipts_and_the_list(two: tuple[Shop, Shop]) -> None:
    shop, _ = two
    runs = shop.settings.path(shop.settings.run.directory)
    made = [runs / "20260110T000000Z-aaaa" / "run.json", runs / "interactive" / "a.csv"]
    others_ = [runs / "notes.txt", runs / "mine" / "a.txt"]
    for path in (*made, *others_):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    receipt = erase_in(shop).path
    assert receipt is not None
    before = {name: shop.tables()[name] for name in LISTS}
    told = start_over(shop.settings, dry_run=True)
    assert str(made[0].parent) in told
    assert "events.events" in told
    assert made[0].exists()
    assert "events.events" in shop.tables()
    assert start_over(shop.settings) == told
    assert shop.tables() == before
    assert receipt.exists()
    assert [path.exists() for path in (*made, *others_)] == [False, False, True, True]
    # A late delivery stays out of what is made anew.
    late = f"{folder('2026-01-20')}/a.json"
    fill(shop.landing, files={late: [theirs("2026-01-20", 1, userId=PERSON, anonymousId=OWN)]})
    shop.flatten()
    assert shop.rows(f"select count(*) from events.events where user_id = '{PERSON}'") == [(0,)]
    rows = shop.rows("select reason, records from landing.quarantine_reasons where reason='erased'")
    assert rows == [("erased", 1)]


def test_starting_over_where_nobody_was_erased_leaves_nothing(
    make_shop: Callable[..., Shop],  # noqa: F811
) -> None:
    shop = make_shop()
    assert start_over(shop.settings) == []
    fill(shop.landing)
    shop.flatten()
    assert "events.events" in start_over(shop.settings)
    assert not shop.path.exists()
    assert start_over(shop.settings) == []


def test_a_date_that_was_not_taken_in_yet_is_left_to_the_next_run(
    two: tuple[Shop, Shop],
) -> None:
    shop, _ = two
    new = {
        f"{folder('2026-01-20')}/a.json": [theirs("2026-01-20", 1, userId=PERSON, anonymousId=OWN)]
    }
    fill(shop.landing, files=new)
    found = erase_in(shop)
    assert found.receipt.landing[f"{folder('2026-01-20')}/a.json"] == 1
    assert found.receipt.dates == [FIRST, SECOND]
    assert shop.flatten().days_read == ("2026-01-20",)
    assert shop.rows("select records from landing.ledger order by received_at_utc_date desc")[
        0
    ] == (0,)


def test_before_any_event_was_taken_in_files_are_erased_and_nothing_is_read(
    make_shop: Callable[..., Shop],  # noqa: F811
) -> None:
    shop = make_shop()
    fill(shop.landing)
    with pytest.raises(ErasureError, match="there is no warehouse yet"):
        erase_in(shop)
    with shop.warehouse.session(write=True) as session:
        session.publish(Table("landing", "something"), "select 1 as one")
    found = erase_in(shop)
    assert (found.receipt.records, found.receipt.dates) == (14, [])
    assert MARKER.encode() not in bytes_of(shop.landing)
    assert set(shop.tables()) == {*LISTS, "landing.something"}
    assert shop.flatten().days_read == (FIRST, SECOND, THIRD)


def test_other_tables_of_marts_lose_the_rows_of_the_person(
    two: tuple[Shop, Shop], make_settings: Callable[..., Settings]
) -> None:
    shop, _ = two
    with shop.warehouse.session(write=True) as session:
        session.publish(
            Table("marts", "snapshots"),
            "select user_id, count(*) as events from events.tracks group by user_id",
        )
    erase_in(shop)
    people = [row[0] for row in shop.rows("select user_id from marts.snapshots order by 1")]
    assert PERSON not in people
    assert FORMER not in people
    assert {OTHER, None} <= set(people)
