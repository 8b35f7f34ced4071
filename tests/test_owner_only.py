"""Files that hold personal data are their owner's alone, whoever writes them and whenever."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from engagement import owner_only
from engagement.audience.files import Reject, write_rejects
from engagement.audience.stream import Lines
from engagement.dashboards import report
from engagement.dashboards.report import page, reading
from engagement.erasure.erase import erase
from engagement.runs import workbook
from engagement.settings import Settings
from engagement.warehouse import Table, open_warehouse
from engagement.warehouse.statements import Statement
from tests.flatten.conftest import Shop, event, make_shop, shop  # noqa: F401 (fixtures)


@pytest.fixture(autouse=True)
def _usual_umask(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The usual umask, as if no session were open: other tests' fixtures keep one."""
    monkeypatch.setattr(owner_only, "_users", 0)
    before = os.umask(0o022)
    yield
    assert os.umask(before) == 0o022


def _modes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): oct(stat.S_IMODE(path.lstat().st_mode))
        for path in sorted(folder.rglob("*"))
    }


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_that_are_made_are_private_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    made = owner_only.folder(tmp_path / "there" / "a" / "b")
    assert [_mode(tmp_path / "there"), _mode(made.parent), _mode(made)] == [0o755, 0o700, 0o700]
    assert owner_only.folder(made) == made


def test_a_file_is_private_from_its_first_byte_and_when_it_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    assert _mode(path) == 0o644
    with owner_only.opened(path, "a", encoding="utf-8") as stream:
        assert _mode(path) == 0o600
        stream.write(" and new")
    assert path.read_text() == "old and new"
    path.chmod(0o644)
    owner_only.replace(path, "other\r\n")
    assert (path.read_bytes(), _mode(path)) == (b"other\r\n", 0o600)
    assert [one.name for one in tmp_path.iterdir()] == ["a.txt"]


def test_what_is_there_is_tightened_but_not_what_links_lead_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "in").mkdir(parents=True)
    (outside / "in" / "f").write_text("x")
    (outside / "f").write_text("x")
    run = tmp_path / "run"
    (run / "sub").mkdir(parents=True)
    (run / "sub" / "page.html").write_text("x")
    (run / "folder").symlink_to(outside)
    (run / "file").symlink_to(outside / "f")
    owner_only.tighten(run)
    owner_only.tighten(run / "nothing")
    assert [_mode(run), _mode(run / "sub"), _mode(run / "sub/page.html")] == [0o700, 0o700, 0o600]
    assert set(_modes(outside).values()) == {"0o755", "0o644"}
    assert _mode(outside) == 0o755


def test_the_umask_is_put_back_whoever_leaves_last() -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with owner_only.umask():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with owner_only.umask():
        thread.start()
        assert inside.wait(10)
    found = os.umask(0o077)
    assert found == 0o077
    leave.set()
    thread.join()
    found = os.umask(0o022)
    assert found == 0o022
    with pytest.raises(KeyError), owner_only.umask():
        raise KeyError


def test_the_warehouse_its_log_and_what_it_spills(
    tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    place = tmp_path / "made" / "warehouse.duckdb"
    settings = make_settings(warehouse__duckdb__path=str(place))
    warehouse = open_warehouse(settings)
    with warehouse.session(write=True) as session:
        session.publish(Table("marts", "people"), "select 'somebody' as name")
        connection = session._connection  # type: ignore[attr-defined]
        connection.execute("set memory_limit = '60MB'")
        connection.execute("set threads = 1")
        connection.execute(
            "create temp table big as select md5(i::varchar) || i as x from range(2000000) t (i)"
        )
        during = _modes(place.parent)
    spilled = {name for name in during if name.startswith("warehouse.duckdb.tmp/")}
    assert spilled
    assert "warehouse.duckdb.wal" in during
    assert {during[name] for name in during.keys() - {"warehouse.duckdb.tmp"}} == {"0o600"}
    assert during["warehouse.duckdb.tmp"] == "0o700"
    assert _mode(place.parent) == 0o700
    # One that an earlier version made, and after it was written anew.
    place.chmod(0o644)
    with warehouse.session(write=True):
        assert _mode(place) == 0o600
    warehouse.purge(lambda name, data: False)
    assert _mode(place) == 0o600
    assert warehouse.query("select name from marts.people")["name"].tolist() == ["somebody"]


def test_what_a_notebook_writes(
    tmp_path: Path, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(workbook.RUN_VARIABLE, "a-run")
    monkeypatch.setattr(reading, "collect", lambda warehouse: {})
    monkeypatch.setattr(page, "render", lambda frames, **rest: "<p>somebody</p>")
    settings = make_settings(as_of="2026-01-05")
    book = workbook.Workbook(settings)
    book.warehouse.log.keep(Statement("a", "select 1", 1, 0.1))
    report.write(book.warehouse, settings, date(2026, 1, 5), book.file("report.html"))
    with Lines(book.file("exports/x").parent, "all", "csv", b"a\n", 100) as lines:
        lines.add(b"1\n")
    write_rejects(book.file("exports/rejects/all.csv"), [Reject("p", "EMAIL", "endpoint", "none")])
    found = _modes(tmp_path / "runs")
    folders = {name: mode for name, mode in found.items() if "." not in name}
    assert set(folders.values()) == {"0o700"}
    assert {mode for name, mode in found.items() if name not in folders} == {"0o600"}
    assert len(found) > 6


def test_receipts_and_what_erasing_has_written_again(shop: Shop) -> None:  # noqa: F811
    shop.land(event(userId="user-1001"), event(messageId="2", userId="user-1002"))
    shop.flatten()
    runs = shop.settings.path(shop.settings.run.directory)
    export = runs / "earlier" / "export.csv"
    export.parent.mkdir(parents=True)
    export.write_text("user_id,x\nuser-1001,1\nuser-1002,2\n")
    done = erase(shop.settings, ["user-1001"], dry_run=False)
    assert done.path is not None
    assert _mode(done.path) == 0o600
    assert _mode(done.path.parent) == 0o700
    assert export.read_text() == "user_id,x\nuser-1002,2\n"
    assert _mode(export) == 0o600
