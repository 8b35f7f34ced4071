"""What flattening makes of records that are hard to read: the same on both engines.

The cases are those of the tests of one engine, which say what is right.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engagement.flatten import flatten
from engagement.settings import Settings
from engagement.warehouse import open_warehouse
from tests.athena.compare import differences
from tests.athena.parameters import settings
from tests.athena.stand import Stand
from tests.athena.test_conformance import upload
from tests.flatten.conftest import Raw, text
from tests.flatten.test_collisions import CASES as COLLISIONS
from tests.flatten.test_products import landed as products
from tests.records.nasty import spoil

pytestmark = pytest.mark.slow

DAY = "received_at_utc_date=2026-01-05"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A landing with records that are hard to read."""
    landing = tmp_path / "landing"
    (landing / DAY).mkdir(parents=True)
    lines = [
        *products(),
        *(
            text(messageId=f"met-{number}", event="Met", properties=Raw(keys))
            for number, (keys, _) in enumerate(COLLISIONS)
        ),
        # Objects and lists that meet, a key that is given twice with a list each.
        text(
            messageId="places",
            properties=Raw('{"Products": [{"a": 1}], "products": {"1": {"b": 2.50}}}'),
        ),
        text(messageId="twice", properties=Raw('{"list": [1], "list": [2, {"b": 1, "a": 2}]}')),
    ]
    (landing / DAY / "hard.json").write_text("\n".join(lines), encoding="utf-8")
    spoil(landing)
    return landing


def test_records_that_are_hard_to_read_give_the_same_tables(
    aws_environment: Stand, make_settings: Callable[..., Settings], folder: Path
) -> None:
    upload(aws_environment, folder, "hard")
    there, here = settings(aws_environment, "hard"), make_settings(landing__location=str(folder))
    local, remote = open_warehouse(here), open_warehouse(there)
    flatten(local, here)
    flatten(remote, there)
    found = differences(local, remote, databases=["landing", "events"])
    assert not found, "\n".join(map(str, found))
