"""Pages that are used again: only where everything is as it was, and never on doubt.

The notebooks of these tests are small and are run in this process, in the place of papermill, so
that what they look at is noted as in a run.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from engagement.models import folders
from engagement.runs import batch, cells, inputs, pages, reuse
from engagement.settings import ROOT, Settings, load_settings
from engagement.warehouse import Table, open_warehouse
from engagement.warehouse.protocol import Published

OPEN = "from engagement.runs import workbook\n\nbook = workbook.open(params, overrides)\n"
DAY = "received_at_utc_date=2026-09-01"


class Shop:
    """A project of two notebooks, and what a test does to it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, monkeypatch
        self.notebooks = folder / "notebooks"
        self.landing = folder / "landing"
        self.own: dict[str, Any] = {
            "landing.location": str(self.landing),
            "warehouse.duckdb.path": str(folder / "shop.duckdb"),
            "run.directory": str(folder / "runs"),
            "audience.segment": str(folder / "segments/ours.yaml"),
        }
        self.params = folder / "params.yaml"
        self.executed: list[str] = []
        self.afterwards: dict[str, Callable[[Path], None]] = {}
        self.land("a.json", '{"type": "track"}\n')
        (folder / "segments").mkdir()
        segment = "name: ours\ndescription: Ours.\nchannels: [email]\nwhere: not is_bot\n"
        (folder / "segments/ours.yaml").write_text(segment)
        self.notebooks.mkdir()
        self.write("01_tables", 'book.query("select * from marts.a")\n')
        self.write("02_exports", 'book.query("select * from marts.b")\n')
        self.afterwards["02_exports"] = _writing("exports/b/people.csv", "id\n1\n")
        self.publish("a", 1)
        self.publish("b", 1)
        monkeypatch.setattr(batch, "NOTEBOOKS", self.notebooks)
        monkeypatch.setattr(batch, "_to_html", _plain_html)
        monkeypatch.setattr("papermill.execute_notebook", self._execute)

    def _execute(self, source: str, output: str, **more: Any) -> None:
        name, document = Path(source).stem, json.loads(Path(source).read_text())
        space: dict[str, Any] = dict(more["parameters"])
        Path(output).write_text(json.dumps(document))
        for cell in document["cells"]:
            if cell["cell_type"] == "code" and not cell["metadata"].get("tags"):
                exec("".join(cell["source"]), space)
        self.afterwards.get(name, lambda _: None)(Path(output).parents[1])
        self.executed.append(name)

    def write(self, name: str, *sources: str) -> None:
        """Write a notebook, whose first cells are as in every one."""
        _write(self.notebooks / f"{name}.ipynb", *sources)

    def publish(self, name: str, value: int, *, database: str = "marts", more: str = "") -> None:
        with open_warehouse(self.settings()).session(write=True) as session:
            table = Table(database, name)
            session.publish(table, f"select {value} as n{more}", version=f"{name}{value}")

    def land(self, name: str, text: str) -> None:
        (self.landing / DAY).mkdir(parents=True, exist_ok=True)
        (self.landing / DAY / name).write_text(text)

    def settings(self, **more: Any) -> Settings:
        """The parameters, in a file: keys with ``__`` for dots."""
        document = yaml.safe_load((ROOT / "params/local.yaml").read_text(encoding="utf-8"))
        dotted = {key.replace("__", "."): value for key, value in more.items()}
        for key, value in {**self.own, **dotted}.items():
            *parents, last = key.split(".")
            here = document
            for parent in parents:
                here = here.setdefault(parent, {})
            here[last] = value
        self.params.write_text(yaml.safe_dump(document), encoding="utf-8")
        return load_settings(self.params)

    def run(
        self, *names: str, force: bool = False, **more: Any
    ) -> tuple[list[str], batch.RunRecord, Path]:
        """Run notebooks; gives those that were executed, the record and the folder."""
        self.executed.clear()
        chosen = list(names) or batch.notebooks()
        record, folder = batch.run(self.settings(**more), self.params, {}, chosen, force=force)
        return list(self.executed), record, folder

    def runs(self) -> list[Path]:
        return sorted((self.folder / "runs").glob("2*Z-*"))


def _write(path: Path, *sources: str) -> None:
    made = [{"cell_type": "markdown", "id": "t", "metadata": {}, "source": [f"# {path.stem}"]}]
    tags: list[list[str]] = [["parameters"], *([] for _ in range(len(sources) + 1))]
    texts = ['params = ""\noverrides = {}\n', OPEN, *sources]
    for number, (own, source) in enumerate(zip(tags, texts, strict=True)):
        cell = {"cell_type": "code", "id": f"c{number}", "metadata": {"tags": own}}
        made.append({**cell, "outputs": [], "execution_count": None, "source": [source]})
    document = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(document))


def _plain_html(notebook: Path) -> None:
    notebook.with_suffix(".html").write_text(f"<html><body class='a'>{notebook.stem}</body></html>")


def _writing(name: str, text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    return write


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(folders, "OWN_MODELS", tmp_path / "models")
    monkeypatch.setattr(inputs, "OWN_MODELS", tmp_path / "models")
    monkeypatch.setattr(inputs, "OWN_SEEDS", tmp_path / "seeds")
    # Read once: whoever edits it while the tests run would have them fail.
    monkeypatch.setattr(inputs, "code", lambda: "the code")
    # Runs within one second have names that do not sort by time.
    ids = (f"20260901T{n // 60:02d}{n % 60:02d}00Z-{n:04x}" for n in range(600))
    monkeypatch.setattr(batch, "new_run_id", lambda: next(ids))
    return Shop(tmp_path, monkeypatch)


BOTH = ["01_tables", "02_exports"]


def test_nothing_new_is_not_executed_and_its_page_says_which_run_executed_it(shop: Shop) -> None:
    executed, record, first = shop.run()
    assert executed == BOTH
    assert [one.why for one in record.notebooks] == ["there is no page of it yet"] * 2
    for _ in range(2):  # the second time from a page that was used again itself
        executed, record, folder = shop.run()
        assert executed == []
        assert record.status == "done"
        assert [(one.status, one.executed_in, one.why) for one in record.notebooks] == [
            ("done", first.name, None)
        ] * 2
        assert set(record.files) == {
            *(f"notebooks/{name}.{end}" for name in BOTH for end in ("ipynb", "html")),
            "exports/b/people.csv",
        }
        page = (folder / "notebooks/02_exports.html").read_text()
        assert page.count(f"since run {first.name} executed it") == 1
        assert page.startswith("<html><body class='a'><!-- engagement-reused -->")
        noted = json.loads((folder / "notebooks/02_exports.ipynb").read_text())["cells"]
        assert [cell["id"] for cell in noted][:2] == ["t", "engagement-reused"]
        assert sum(cell["id"] == "engagement-reused" for cell in noted) == 1
        # An export is the very file, which takes no room twice.
        assert (folder / "exports/b/people.csv").samefile(first / "exports/b/people.csv")
        assert (folder / "notebooks/02_exports.html").stat().st_mode & 0o077 == 0
    assert "engagement-reused" not in (first / "notebooks/02_exports.html").read_text()


def test_a_table_that_one_notebook_reads_makes_that_one_run(shop: Shop) -> None:
    shop.run()
    shop.publish("b", 2)
    executed, record, _ = shop.run()
    assert executed == ["02_exports"]
    assert [one.why for one in record.notebooks] == [None, "marts.b changed"]
    assert shop.run()[0] == []


def test_a_table_that_is_gone_or_new_makes_it_run(shop: Shop) -> None:
    shop.write("01_tables", 'book.columns("marts.c")\n')
    assert shop.run()[0] == BOTH
    assert shop.run()[0] == []
    shop.publish("c", 1)
    assert shop.run()[0] == ["01_tables"]
    with open_warehouse(shop.settings()).session(write=True) as session:
        session.drop(Table("marts", "c"))
    assert shop.run()[0] == ["01_tables"]


def test_a_table_that_nobody_keeps_a_version_of_is_a_doubt(shop: Shop) -> None:
    import duckdb

    with duckdb.connect(shop.own["warehouse.duckdb.path"]) as connection:
        connection.execute("create view marts.v as select 1 as n")
    shop.write("01_tables", 'book.query("select * from marts.v")\n')
    assert shop.run()[0] == BOTH
    assert shop.run()[0] == ["01_tables"]


def _add_model(shop: Shop) -> None:
    (shop.folder / "models/customer").mkdir(parents=True)
    (shop.folder / "models/customer/m.sql").write_text("select 1 as n")


def _erase(shop: Shop) -> None:
    (shop.folder / "runs/erasures").mkdir()
    (shop.folder / "runs/erasures/receipt.json").write_text("{}")


def _edit(path: Path, text: str) -> None:
    path.write_text(text)


SHARED: Mapping[str, Callable[[Shop], object]] = {
    "a file landed": lambda shop: shop.land("b.json", "{}\n"),
    "a file was written again": lambda shop: shop.land("a.json", '{"type": "page!"}\n'),
    "a stray landed": lambda shop: _edit(shop.landing / "stray", ""),
    "a failure landed": lambda shop: [
        (shop.landing / "processing-failed").mkdir(),
        _edit(shop.landing / "processing-failed/x", "{}"),
    ],
    "a segment was edited": lambda shop: _edit(
        shop.folder / "segments/ours.yaml",
        "name: ours\ndescription: Ours.\nchannels: [sms]\nwhere: not is_bot\n",
    ),
    "a segment was added": lambda shop: _edit(shop.folder / "segments/other.yaml", "name: other\n"),
    "a model was added": _add_model,
    "somebody was erased": _erase,
    "the code": lambda shop: shop.patch.setattr(inputs, "code", lambda: "other"),
    "the time zone of the machine": lambda shop: shop.patch.setenv("TZ", "Asia/Tokyo"),
    "where services are": lambda shop: shop.patch.setenv("AWS_ENDPOINT_URL_S3", "http://x.example"),
}


def test_what_all_notebooks_share_makes_all_run(shop: Shop) -> None:
    shop.run()
    assert shop.run()[0] == []
    for name, change in SHARED.items():
        change(shop)
        assert shop.run()[0] == BOTH, name
    assert shop.run()[0] == []


def test_files_that_no_notebook_reads_make_none_run(shop: Shop) -> None:
    checkpoint = shop.folder / "checkpoint.sqlite"
    more = {
        "personalize__live": {"checkpoint": str(checkpoint)},
        "collect__wal": str(shop.folder / "wal"),
    }
    shop.run(**more)
    checkpoint.write_text("1")
    (shop.folder / "wal").mkdir()
    (shop.folder / "wal/journal").write_text("{}")
    assert shop.run(**more)[0] == []


def test_a_parameter_makes_all_run_but_not_one_that_shows_in_no_page(shop: Shop) -> None:
    shop.run()
    assert shop.run(notify__on=["alert"], run__keep_runs=7)[0] == []
    assert shop.run(sessions__gap_minutes=20)[0] == BOTH
    assert shop.run()[0] == BOTH


OWN: Mapping[str, Callable[[Path], object]] = {
    "an export is gone": lambda folder: (folder / "exports/b/people.csv").unlink(),
    "an export was edited": lambda folder: _edit(folder / "exports/b/people.csv", "id\n2\n"),
    "an export is a link": lambda folder: [
        shutil.copy(folder / "exports/b/people.csv", folder / "elsewhere"),
        (folder / "exports/b/people.csv").unlink(),
        (folder / "exports/b/people.csv").symlink_to(folder / "elsewhere"),
    ],
    "a page is gone": lambda folder: (folder / "notebooks/02_exports.html").unlink(),
    "a page was edited": lambda folder: _edit(folder / "notebooks/02_exports.ipynb", "{}"),
    "what it was made from is broken": lambda folder: _edit(
        folder / "inputs/02_exports.json", '{"format": 1}'
    ),
    "what it was made from is gone": lambda folder: (folder / "inputs/02_exports.json").unlink(),
}


def test_what_a_notebook_wrote_has_to_be_there(shop: Shop) -> None:
    _, _, folder = shop.run()
    for name, change in OWN.items():
        change(folder)
        executed, _, folder = shop.run()
        assert executed == ["02_exports"], name
    assert shop.run()[0] == []


def test_an_export_that_was_only_touched_is_the_same(shop: Shop) -> None:
    folder = shop.run()[2]
    os.utime(folder / "exports/b/people.csv", (1, 1))
    assert shop.run()[0] == []
    # Of the same length, and with the time of the old one, nothing but its bytes would tell: what
    # somebody edits by hand gets a time of its own.
    assert not reuse._is_same(folder / "exports/b/people.csv", 6, 1, "")


def test_an_edited_notebook_runs_and_its_outputs_do_not_count(shop: Shop) -> None:
    shop.run()
    path = shop.notebooks / "01_tables.ipynb"
    document = json.loads(path.read_text())
    document["cells"][-1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["1"]}]
    path.write_text(json.dumps(document))
    assert shop.run()[0] == []
    document["cells"][0]["source"] = ["# Another title"]
    path.write_text(json.dumps(document))
    assert shop.run()[0] == ["01_tables"]


@pytest.mark.parametrize("status", ["failed", "running", None])
def test_after_a_run_that_did_not_go_well_everything_runs(shop: Shop, status: str | None) -> None:
    shop.run()
    _, _, folder = shop.run("01_tables")
    record = json.loads((folder / "run.json").read_text())
    if status is None:
        (folder / "run.json").unlink()
    else:
        (folder / "run.json").write_text(json.dumps({**record, "status": status}))
    executed, found, _ = shop.run()
    assert executed == BOTH
    assert {one.why for one in found.notebooks} == {f"run {folder.name} did not go well"}
    assert shop.run()[0] == []


def test_a_run_that_fails_leaves_nothing_to_use_again(shop: Shop) -> None:
    shop.run()

    def stop(folder: Path) -> None:
        raise KeyboardInterrupt

    shop.publish("b", 2)
    shop.afterwards["02_exports"] = stop
    with pytest.raises(KeyboardInterrupt):
        shop.run()
    assert not list(shop.runs()[-1].glob("inputs/02*"))
    shop.afterwards.clear()
    assert shop.run()[0] == BOTH


def test_what_changes_while_a_run_goes_on_is_a_doubt(shop: Shop) -> None:
    shop.afterwards["01_tables"] = lambda _: shop.land("late.json", "{}\n")
    shop.run()
    shop.afterwards.pop("01_tables")
    assert shop.run()[0] == BOTH
    assert shop.run()[0] == []


def test_a_table_that_a_later_notebook_changes_makes_the_earlier_one_run(shop: Shop) -> None:
    shop.afterwards["02_exports"] = lambda _: shop.publish("a", 2)
    shop.run()
    executed, record, _ = shop.run()
    assert (executed, record.notebooks[0].why) == (["01_tables"], "marts.a changed")
    assert shop.run()[0] == []


def test_force_executes_everything(shop: Shop) -> None:
    shop.run()
    executed, record, _ = shop.run(force=True)
    assert executed == BOTH
    assert {one.why for one in record.notebooks} == {"it was asked for"}


def test_some_notebooks_find_the_pages_of_runs_of_others_between(shop: Shop) -> None:
    shop.run()
    shop.run("01_tables", force=True)
    executed, record, _ = shop.run("02_exports")
    assert executed == []
    assert record.notebooks[0].executed_in == shop.runs()[0].name


def test_an_as_of_that_moves_makes_only_those_run_that_ask_for_it(shop: Shop) -> None:
    def receive(day: int) -> None:
        shop.publish("events", day, database="events", more=_received(day))

    receive(2)
    shop.write("01_tables", 'book.query("select * from marts.a where n > 0 or :as_of is null")\n')
    shop.run(as_of="latest")
    executed, record, _ = shop.run(as_of="latest")
    assert (executed, record.as_of) == ([], "2026-09-02")
    receive(3)
    executed, record, folder = shop.run(as_of="latest")
    assert (executed, record.as_of) == (["01_tables"], "2026-09-03")
    assert json.loads((folder / "state.json").read_text())["as_of"] == "2026-09-03"


def _received(day: int) -> str:
    return f", timestamp '2026-09-{day:02d} 10:00:00' as received_at"


def test_pruning_leaves_pages_and_files_that_later_runs_use(shop: Shop) -> None:
    _, _, first = shop.run()
    _, _, second = shop.run(run__keep_folders=1)
    assert shop.runs() == [second]
    assert (second / "exports/b/people.csv").read_text() == "id\n1\n"
    executed, record, third = shop.run(run__keep_folders=1)
    assert (executed, shop.runs()) == ([], [third])
    assert {one.executed_in for one in record.notebooks} == {first.name}
    assert (third / "exports/b/people.csv").read_text() == "id\n1\n"
    assert first.name in (third / "notebooks/01_tables.html").read_text()


def test_a_notebook_that_runs_does_not_write_into_files_of_other_runs(shop: Shop) -> None:
    """02 is used again and 03, which runs, writes where 02's file will be."""
    shop.write("03_more", 'book.query("select * from marts.c")\n')
    shop.publish("c", 1)
    _, _, first = shop.run()
    shop.publish("c", 2)
    shop.afterwards["03_more"] = _writing("exports/b/people.csv", "id\n3\n")
    executed, _, folder = shop.run()
    assert executed == ["03_more"]
    assert (first / "exports/b/people.csv").read_text() == "id\n1\n"
    assert (folder / "exports/b/people.csv").read_text() == "id\n3\n"
    # What both have written is not what 02 alone would have: it runs.
    assert "02_exports" in shop.run()[0]


def test_where_files_cannot_be_linked_they_are_copied(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    shop.run()
    monkeypatch.setattr(os, "link", refuse)
    executed, _, folder = shop.run()
    assert executed == []
    assert (folder / "exports/b/people.csv").read_text() == "id\n1\n"
    assert (folder / "exports/b/people.csv").stat().st_mode & 0o077 == 0
    assert shop.run()[0] == []


def test_where_sending_is_allowed_the_notebook_that_sends_runs(shop: Shop) -> None:
    shop.write("01_tables", "from engagement.audience import activating\n")
    shop.run()
    assert shop.run()[0] == []
    send = {
        "activation__send": True,
        "activation__customer_profiles": {"region": "eu-central-1", "domain": "shop"},
    }
    shop.run(**send)
    executed, record, _ = shop.run(**send)
    assert (executed, record.notebooks[0].why) == (["01_tables"], "it may send")


def test_a_day_later_the_notebook_that_plans_sends_runs(shop: Shop) -> None:
    shop.write("01_tables", "from engagement.audience import activating\n")
    _, _, folder = shop.run()
    path = folder / "inputs/01_tables.json"
    made = json.loads(path.read_text())
    made["answers"]["day"] = "2026-01-01"
    path.write_text(json.dumps(made))
    executed, record, _ = shop.run()
    assert (executed, record.notebooks[0].why) == (["01_tables"], "day changed")


def test_what_checks_find_is_compared_but_not_how_much_room_there_is(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write("01_tables", "from engagement.runs import checks\n")
    shop.run()
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("U", (), {"free": 10**15})())
    assert shop.run()[0] == []
    (shop.folder / "segments/ours.yaml").write_text("name: ours\n")
    assert shop.run()[0] == BOTH


def test_a_notebook_that_flattens_runs_while_there_is_something_to_flatten(shop: Shop) -> None:
    shop.write("01_tables", "from engagement.flatten import plan_run\n")
    shop.run()
    executed, record, _ = shop.run()
    assert (executed, record.notebooks[0].why) == (["01_tables"], "there is something to flatten")


# --- what cells are known -------------------------------------------------------------------------

DOUBTS = {
    "from datetime import date\nd = date.today()": "looks at the clock",
    "from datetime import datetime": "imports datetime.datetime",
    "import time": "imports time",
    "import pandas as pd\npd.Timestamp.now()": "looks at the clock",
    'import pandas as pd\npd.Timestamp("now")': "looks at the clock",
    'import pandas as pd\npd.to_datetime("today")': "looks at the clock",
    'import pandas as pd\npd.read_csv("targets.csv")': "uses .read_csv",
    "import numpy as np\nnp.random.rand()": "looks at the clock, or at chance",
    'import numpy as np\nnp.load("x.npy")': "uses .load",
    'open("targets.csv")': "uses open",
    "import duckdb": "imports duckdb",
    "import boto3": "imports boto3",
    "import requests": "imports requests",
    "from pathlib import Path": "imports pathlib.Path",
    "from ours import helpers": "imports ours.helpers",
    "from . import helpers": "imports .helpers",
    "from engagement.audience import sending": "imports engagement.audience.sending",
    "from engagement.collect import app": "imports engagement.collect.app",
    "from engagement.flatten import *": "imports engagement.flatten.*",
    '__import__("time")': "uses __import__",
    'getattr(book, "query")': "uses getattr",
    "book.__class__": "uses .__class__",
    "!date": "is more than Python",
    "%time 1": "is more than Python",
    'book.query("select current_date")': "looks at the clock",
    'book.query("select NOW() as n")': "looks at the clock",
    'book.query("select random() as n")': "looks at the clock",
    'book.folder.joinpath("x").read_text()': "uses .read_text",
    'frame.to_csv("out.csv")': "uses .to_csv",
    "live.replayer(book.settings)": "uses .replayer",
    "sender.send(1)": "sends something",
}


@pytest.mark.parametrize(("source", "doubt"), DOUBTS.items(), ids=DOUBTS.keys())
def test_a_cell_that_may_look_elsewhere_is_a_doubt(tmp_path: Path, source: str, doubt: str) -> None:
    _write(tmp_path / "n.ipynb", source)
    assert doubt in cells.read(tmp_path / "n.ipynb").doubt


def test_a_notebook_of_doubt_always_runs(shop: Shop) -> None:
    shop.write("01_tables", "from datetime import date\nd = date.today()\n")
    shop.run()
    executed, record, _ = shop.run()
    assert executed == ["01_tables"]
    assert "looks at the clock" in str(record.notebooks[0].why)


def test_the_projects_own_notebooks_are_no_doubt() -> None:
    from engagement.project import packaged

    doubts = {path.stem: cells.read(path).doubt for path in packaged("notebooks").glob("*.ipynb")}
    assert len(doubts) == 7
    assert set(doubts.values()) == {""}


CLOCKS = {
    # Whose answers are compared: see reuse._ASKED_BY.
    "alerts/finding.py",
    "audience/planning.py",
    "dashboards/report/page.py",
    "runs/checks.py",
    # Send, serve or erase: no notebook that is used again does that.
    "audience/import_jobs.py",
    "audience/sending.py",
    "collect/app.py",
    "collect/journal.py",
    "collect/shoppers.py",
    "demo/prepare.py",
    "erasure/receipt.py",
    "erasure/steps.py",
    "personalize/serving.py",
    "quicksight/setup.py",
    # Names and times of runs, leases and working tables, which pages do not hang on.
    "cli/demo.py",
    "runs/batch.py",
    "runs/history.py",
    "runs/reuse.py",
    "runs/scheduling.py",
    "runs/workbook.py",
    "warehouse/athena/lease.py",
    "warehouse/athena/setup.py",
    "warehouse/athena/work.py",
    "warehouse/doing.py",
    "warehouse/lease.py",
    "warehouse/postgres/lease.py",
    "warehouse/redshift/lease.py",
    "warehouse/statements.py",
    "cli/run.py",
    # Which dates people may read the landing table for: no figure hangs on it.
    "warehouse/athena/reading_table.py",
}


def test_any_file_of_the_package_is_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "engagement"
    (package / "models").mkdir(parents=True)
    (package / "models/a.sql").write_text("select 1")
    monkeypatch.setattr(inputs, "PACKAGE", package)
    seen = {inputs.code()}
    (package / "models/a.sql").write_text("select 2")
    seen.add(inputs.code())
    (package / "models/a.sql").rename(package / "models/b.sql")
    seen.add(inputs.code())
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    seen.add(inputs.code())
    (tmp_path / "library-1.0.dist-info").mkdir()
    seen.add(inputs.code())
    (tmp_path / "library-1.0.dist-info").rename(tmp_path / "library-1.1.dist-info")
    seen.add(inputs.code())
    assert len(seen) == 6
    before = inputs.code()
    (package / "__pycache__").mkdir()
    (package / "__pycache__/a.pyc").write_text("compiled")
    assert inputs.code() == before


def test_every_module_that_looks_at_the_clock_was_thought_of() -> None:
    """One more is one more question: does a page of a notebook hang on it?"""
    from engagement.project import PACKAGE

    words = (".now(", ".today(", "time.time(", ".utcnow(")
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in words)
    }
    assert found == CLOCKS


# --- an engine like Athena ------------------------------------------------------------------------


class _Lake:
    """Versions of tables as Glue tells them, and one table that others made."""

    def __init__(self, **versions: str) -> None:
        self.tables_ = versions

    def exists(self) -> bool:
        return True

    @contextmanager
    def session(self, *, write: bool = False) -> Iterator[_Lake]:
        assert not write
        yield self

    def published(self, table: Table) -> Published | None:
        version = self.tables_.get(table.name)
        return Published(version, 1) if version else None

    def columns(self, table: Table) -> dict[str, str]:
        return {"n": "bigint"} if table.name in self.tables_ else {}

    def tables(self, database: str) -> list[str]:
        return sorted(self.tables_)


def test_versions_are_those_that_the_engine_tells() -> None:
    names = ["marts.a", "marts.gone", "marts.*"]
    one, other = _Lake(a="s3://x/run-1/"), _Lake(a="s3://x/run-2/", b="1")
    first, second = (inputs.versions(lake, names) for lake in (one, other))  # type: ignore[arg-type]
    assert first["marts.gone"] == second["marts.gone"] == inputs.MISSING
    assert inputs.differing(first, second, str) == "marts.*, marts.a changed"
    with pytest.raises(inputs.InputsUnknownError, match=r"marts\.theirs"):
        inputs.versions(_Lake(theirs=""), ["marts.theirs"])  # type: ignore[arg-type]


def test_everything_that_a_session_is_asked_about_is_noted(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engagement.warehouse import reads

    monkeypatch.setenv(reads.VARIABLE, str(tmp_path / "noted"))
    warehouse = open_warehouse(shop.settings())
    warehouse.query("with a as (select * from marts.a) select * from a")
    with warehouse.session(write=True) as session:
        session.published(Table("marts", "published"))
        session.columns(Table("landing", "asked"))
        session.tables("events")
        with pytest.raises(Exception, match="fetched"):
            session.fetch(Table("landing", "fetched"), ["n"], label="fetched")
        session.work("w", "select * from marts.b")
        session.query("select * from work.w", label="w")
        session.rows("r", pa.table({"n": [1]}), {"n": "bigint"})
        session.publish(Table("marts", "made"), select="select * from marts.a")
    noted = reads.read_back(tmp_path / "noted") - {reads.process()}
    assert noted == {
        *("marts.a", "marts.published", "landing.asked", "events.*", "landing.fetched"),
        *("marts.b", "marts.made"),
    }


def test_a_page_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/a.ipynb").write_text('{"cells": [], "metadata": {}}')
    (tmp_path / "notebooks/a.html").write_text("no page")
    with pytest.raises(ValueError, match="no page"):
        pages.put(tmp_path, tmp_path / "other", "a", "run", "2026-09-01 10:00")
