"""Running again whenever something has landed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engagement.cli import app, console
from engagement.collect.follow import follow
from engagement.runs import batch


class World:
    """What has landed at each look, and what was done."""

    def __init__(self, looks: list[str], during: dict[int, int] | None = None) -> None:
        self.looks = looks
        self.place = 0
        self.done: list[str] = []
        self.stop = threading.Event()

    def look(self) -> str:
        found = self.looks[min(self.place, len(self.looks) - 1)]
        self.place += 1
        if self.place > len(self.looks) + 2:
            self.stop.set()
        return found

    def run(self) -> None:
        self.done.append(f"run {self.looks[min(self.place - 1, len(self.looks) - 1)]}")

    def waiting(self) -> None:
        self.done.append("wait")

    def follow(self) -> list[str]:
        follow(self.look, self.run, wait=0, poll=0.001, waiting=self.waiting, stop=self.stop)
        return self.done


@pytest.mark.parametrize(
    ("looks", "done"),
    [
        # Nothing is there at first; the run is for what is there when it begins.
        (["", "", "a", "a", "a"], ["wait", "run a", "wait"]),
        # Something is there: the run is at once.
        (["a", "a", "a", "a"], ["run a", "wait"]),
        # Something lands between two looks, and something during the second run.
        (["a", "a", "a", "ab", "ab", "abc", "abc"], ["run a", "wait", "run ab", "run abc", "wait"]),
        # What was there goes, as landings expire: that is something new as well.
        (["ab", "ab", "b", "b", "b"], ["run ab", "run b", "wait"]),
    ],
)
def test_a_run_follows_each_landing(looks: list[str], done: list[str]) -> None:
    assert World(looks).follow() == done


def test_the_command_runs_as_of_latest_and_goes_on_after_a_run_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = tmp_path / "landing"
    runs: list[dict[str, Any]] = []

    def land(name: str) -> None:
        folder = landing / "received_at_utc_date=2026-09-01"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"type":"track"}\n')

    def run(settings: Any, params: Path, overrides: dict[str, Any], *rest: Any, **more: Any) -> Any:
        runs.append(overrides)
        if len(runs) == 1:
            land("second")
            raise batch.NotebookFailedError("02 stopped because of ada@shop.example")
        raise KeyboardInterrupt

    shown = console.console.print

    def show(*what: Any) -> None:
        shown(*what)
        if "Waiting" in str(what):
            land("first")

    monkeypatch.setattr(batch, "run", run)
    monkeypatch.setattr(console.console, "print", show)
    own = ["--set", f"landing.location={landing}", "--set", f"run.directory={tmp_path}/runs"]
    own += ["--set", f"warehouse.duckdb.path={tmp_path}/w.duckdb"]
    done = CliRunner().invoke(app, ["run", "--follow", "--wait", "0", *own])
    assert done.exit_code == 0
    assert [one["as_of"] for one in runs] == ["latest", "latest"]
    assert "Waiting for events in" in done.output
    assert "02 stopped because of" in done.output
    assert "ada@" not in done.output
    assert done.output.rstrip().endswith("Stopped.")


def test_an_as_of_of_ones_own_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "landing" / "received_at_utc_date=2026-09-01"
    folder.mkdir(parents=True)
    (folder / "a").write_text("{}\n")
    seen: list[Any] = []

    def run(settings: Any, params: Path, overrides: dict[str, Any], *rest: Any, **more: Any) -> Any:
        seen.append(overrides["as_of"])
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "run", run)
    own = ["--set", f"landing.location={folder.parent}", "--set", "as_of=2026-09-01"]
    own += ["--set", f"warehouse.duckdb.path={tmp_path}/w.duckdb"]
    assert CliRunner().invoke(app, ["run", "--follow", *own]).exit_code == 0
    assert seen == ["2026-09-01"]
