"""A person is erased on Athena: from objects and their old versions, tables, and kept results.

The bucket keeps versions. What is found in it afterwards is read as what it is (text, gzip,
Parquet), every version of every object.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from engagement.as_of import resolve_as_of
from engagement.erasure.erase import Findings, erase
from engagement.flatten import flatten
from engagement.landing import do_not_reload
from engagement.landing.tables import READ_LOSSILY
from engagement.models.runner import build
from engagement.settings import Settings, load_settings
from engagement.warehouse import Table, Warehouse, open_warehouse
from engagement.warehouse.costs import ABOUT_RUNS
from engagement.warehouse.lease import TOKEN_VARIABLE
from tests.athena.compare import contents, differences
from tests.athena.stand import Stand
from tests.erasure.test_erasure import (
    FILES,
    FIRST,
    FORMER,
    MARKER,
    OTHER,
    OWN,
    PERSON,
    SECOND,
    SHARED,
    THEIRS_TOO,
    THIRD,
    fill,
    folder,
    theirs,
)

pytestmark = pytest.mark.slow

BUCKET, NAME = "erasure-keeps-versions", "erasure"
# A key given twice: Trino turns a cast of json_parse(…) to a map into a reader that refuses such a
# record, which is not what erasing is about.
LANDED = {
    name: [(is_theirs, line) for is_theirs, line in lines if '"Twice"' not in str(line)]
    for name, lines in FILES.items()
}
SECRETS = (PERSON, FORMER, OWN, THEIRS_TOO, MARKER)
WITHOUT = ABOUT_RUNS | READ_LOSSILY | {do_not_reload.ERASED, do_not_reload.KEY}


@dataclass(frozen=True)
class Both:
    local: Settings
    remote: Settings
    never: Settings
    client: Any
    found: Findings

    def warehouse(self, settings: Settings) -> Warehouse:
        return open_warehouse(settings)


def _settings(home: Path, landing: str, **more: Any) -> Settings:
    return load_settings(
        "params/local.yaml",
        {
            "landing.location": landing,
            "warehouse.duckdb.path": str(home / "warehouse.duckdb"),
            "run.directory": str(home / "runs"),
            **more,
        },
    )


def _take_in(settings: Settings) -> None:
    warehouse = open_warehouse(settings)
    flatten(warehouse, settings)
    as_of = resolve_as_of(warehouse, settings)
    build(warehouse, settings, as_of, ["people"])


def _versions(client: Any) -> Iterator[tuple[str, str]]:
    for page in client.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
        for item in page.get("Versions", []):
            yield item["Key"], item["VersionId"]


def _text(key: str, data: bytes) -> str:
    if data[:4] == b"PAR1":
        return str(pq.read_table(io.BytesIO(data)).to_pylist())
    return (gzip.decompress(data) if key.endswith(".gz") else data).decode("utf-8", "replace")


def _holding(client: Any) -> dict[str, list[str]]:
    """Which of the secrets each version of each object holds."""
    found: dict[str, list[str]] = {}
    for key, version in _versions(client):
        data = client.get_object(Bucket=BUCKET, Key=key, VersionId=version)["Body"].read()
        here = [secret for secret in SECRETS if secret in _text(key, data)]
        if here:
            found[f"{key}@{version}"] = here
    return found


@pytest.fixture(scope="module")
def both(stand: Stand, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    home = tmp_path_factory.mktemp("erasure")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stand.environment().items():
            patch.setenv(name, value)
        client = stand.client("s3")
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        fill(home / "landing", files=LANDED)
        fill(home / "never", without=True, files=LANDED)
        for path in sorted((home / "landing").rglob("*.*")):
            key = f"landing/{path.relative_to(home / 'landing').as_posix()}"
            client.put_object(
                Bucket=BUCKET, Key=key, Body=path.read_bytes(), Metadata={"kept": "yes"}
            )
        local = _settings(home / "local", str(home / "landing"))
        never = _settings(home / "none", str(home / "never"))
        remote = _settings(
            home / "remote",
            f"s3://{BUCKET}/landing/",
            project=NAME,
            **{
                "warehouse.engine": "athena",
                "warehouse.athena": {
                    "region": stand.region,
                    "data_location": f"s3://{BUCKET}/data/",
                    "poll_seconds": 0.05,
                    "compression": "SNAPPY",
                },
                "warehouse.databases": {
                    part: f"{NAME}_{part}" for part in ("landing", "events", "marts")
                },
            },
        )
        for settings in (local, never, remote):
            _take_in(settings)
        # A query whose result is kept.
        open_warehouse(remote).query(f"select * from events.events where user_id = '{PERSON}'")
        assert len(_holding(client)) > 10
        erase(local, [PERSON], dry_run=False)
        found = erase(remote, [PERSON], dry_run=False)
        yield Both(local, remote, never, client, found)


def test_no_version_of_an_object_holds_the_person(both: Both) -> None:
    assert _holding(both.client) == {}
    assert both.found.who.shared == {SHARED}


def test_the_tables_are_those_of_a_landing_that_never_had_them(both: Both) -> None:
    without = WITHOUT | {_FILES}
    remote = contents(open_warehouse(both.remote), without=without)
    for other in (both.local, both.never):
        found = differences(open_warehouse(other), remote, without=without)
        assert not found, "\n".join(map(str, found))


_FILES = Table("landing", "files")
"""It has the files' bytes, and gzip's differ."""


def test_both_engines_report_the_same(both: Both) -> None:
    receipt = both.found.receipt
    assert receipt.landing == {f"{folder(FIRST)}/a.gz": 7, f"{folder(SECOND)}/b.json": 6}
    assert receipt.why == {"anonymous_id": 2, "named": 2, "user_id": 9}
    assert receipt.forgotten["old versions of landed files"] == 2
    assert receipt.forgotten["results of queries"] > 0
    assert [sentence for sentence in receipt.left if "history" not in sentence] == []


def test_what_stays_of_an_object_keeps_what_it_was_stored_with(both: Both) -> None:
    head = both.client.head_object(Bucket=BUCKET, Key=f"landing/{folder(FIRST)}/a.gz")
    assert head["Metadata"] == {"kept": "yes"}


def test_dates_whose_files_are_gone_are_erased_from_the_tables(
    both: Both, aws_environment: Stand
) -> None:
    """Somebody else of that landing, two of whose dates have expired."""
    del aws_environment
    local = both.local.path(both.local.landing.location)
    for day in (SECOND, THIRD):
        for path in (local / folder(day)).iterdir():
            key = f"landing/{path.relative_to(local).as_posix()}"
            both.client.delete_object(Bucket=BUCKET, Key=key)
            path.unlink()
    here = erase(both.local, [OTHER], dry_run=False)
    there = erase(both.remote, [OTHER], dry_run=False)
    assert there.who == here.who
    assert there.receipt.dates == here.receipt.dates == [SECOND, THIRD]
    found = differences(
        open_warehouse(both.local), open_warehouse(both.remote), without=WITHOUT | {_FILES}
    )
    assert not found, "\n".join(map(str, found))
    assert OTHER not in str(open_warehouse(both.remote).query("select * from events.events"))


def test_late_deliveries_stay_out_and_go_when_it_is_run_again(
    both: Both, aws_environment: Stand
) -> None:
    del aws_environment
    late = {f"{folder('2026-01-12')}/late.json": [theirs("2026-01-12", 1, userId=PERSON)]}
    home = both.remote.path(both.remote.run.directory).parent / "late"
    fill(home, files=late)
    [name] = late
    both.client.put_object(Bucket=BUCKET, Key=f"landing/{name}", Body=(home / name).read_bytes())
    warehouse = open_warehouse(both.remote)
    flatten(warehouse, both.remote)
    rows = warehouse.query(
        "select file, line_number, reason, record from landing.quarantine "
        "where received_at_utc_date = '2026-01-12'"
    )
    assert rows.iloc[0, :3].tolist() == [name, 1, "erased"]
    assert rows["record"].isna().all()
    found = erase(both.remote, [], dry_run=False)
    assert found.receipt.landing == {name: 1}
    assert found.receipt.dates == ["2026-01-12"]
    assert _holding(both.client) == {}


def test_what_may_not_be_removed_is_named(
    both: Both, aws_environment: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError

    from engagement.warehouse.athena import cleanup

    del aws_environment

    def denied(*_: Any) -> Any:
        error = {"Error": {"Code": "AccessDenied", "Message": "no"}}
        raise cleanup.problem(
            "old versions cannot be listed", ClientError(error, "ListObjectVersions")
        )

    monkeypatch.setattr(cleanup, "_old_versions", denied)
    warehouse = open_warehouse(both.remote)
    with warehouse.lease("a test") as token:
        monkeypatch.setenv(TOKEN_VARIABLE, token)
        found = warehouse.purge(lambda name, data: False)
    assert [s.partition(":")[0] for s in found.left if "cannot be listed" in s] == [
        "old versions of tables",
        "old versions of results",
        "old versions of landed files",
    ]
