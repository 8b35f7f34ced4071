"""The commands, as they are typed: `engagement collect`, and `engagement generate --to`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engagement.cli import app
from tests.collect.conftest import KEY, Running, landed_events


def test_a_shop_is_generated_collected_and_landed(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    command = [sys.executable, "-c", "from engagement.cli import main; main()", "collect"]
    for pair in (f"collect.landing={landing}", "collect.port=0", f"collect.write_keys=[{KEY}]"):
        command += ["--set", pair]
    collector = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"}
    )
    assert collector.stdout
    try:
        first = collector.stdout.readline()
        found = re.fullmatch(r"Collecting at (\S+) with 1 write key\. Ctrl-C ends it\.\n", first)
        assert found, first
        shop = ["--users", "20", "--days", "2", "--rate", "10000", "--write-key", KEY]
        shop += ["--start", "2026-09-01", "--checkpoint", str(tmp_path / "checkpoint.json")]
        posted = CliRunner().invoke(app, ["generate", "--to", found[1], *shop])
    finally:
        collector.send_signal(signal.SIGINT)
        output = collector.stdout.read()
        collector.stdout.close()
        collector.wait(30)
    assert posted.exit_code == 0, posted.output
    assert collector.returncode == 0
    count = len(landed_events(landing))
    assert count > 20
    assert f"done: {count} events posted, the shop's time 2026-09-02" in posted.output
    assert KEY not in first + output
    assert "production is RudderStack's own data plane" in output
    assert f"done: {count} events in 1 file landed" in output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["collect"], "events would land among the samples"),
        (["collect", "--set", "collect.port=x"], "collect.port"),
        (["generate", "--to", "http://127.0.0.1:1", "--out", "x"], "leave --out and --profile out"),
    ],
)
def test_wrong_input_ends_with_two(arguments: list[str], text: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert text in done.output.replace("\n", " ")


def test_an_address_that_is_taken_ends_with_two(collector: Running, tmp_path: Path) -> None:
    own = ["--set", f"collect.landing={tmp_path}/other", "--set", f"collect.port={collector.port}"]
    done = CliRunner().invoke(app, ["collect", *own])
    assert done.exit_code == 2
    assert "is another collector running?" in done.output
