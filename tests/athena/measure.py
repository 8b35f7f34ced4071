"""What a run on the stand takes: facts of its landing, statements, requests, files of tables."""

from __future__ import annotations

import gzip
import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engagement.aws import glue
from engagement.aws.s3 import Address, Bucket
from engagement.estimate.volume import from_ledger
from engagement.runs.batch import choose, run
from engagement.settings import ROOT, Settings, load_settings
from engagement.warehouse import Warehouse, open_warehouse
from engagement.warehouse.athena.estimate import Scans, _reads
from engagement.warehouse.athena.statements import AGENT
from engagement.warehouse.athena.warehouse import AthenaWarehouse
from tests.athena.stand import Call, Failure, Stand

PARAMS = "tests/athena/stand.yaml"

TAIL = 48 * 1024
"""Trino reads so much of the end of a Parquet file to find its footer."""


@dataclass
class Measured:
    """One run: ``kind`` is ``first`` or ``increment``.

    ``statements`` are those of the run's log; with ``files``, ``whole_bytes`` and ``tail_bytes`` of
    what they may read, where it was asked for. ``requests`` counts calls by service, operation and
    who made them.
    """

    kind: str
    name: str
    facts: dict[str, float]
    seconds: float = 0.0
    statements: list[dict[str, Any]] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)
    storage: dict[str, list[float]] = field(default_factory=dict)


class _Sizes(Scans):
    """Adds up something else of the files that a statement may read than their bytes."""

    def __init__(self, one: Scans, of: Any) -> None:
        super().__init__(one._catalog, one._bucket, one._files)
        self._one, self._of = one, of

    def _listing(self, folder: Address) -> dict[str, int]:
        return {name: self._of(size) for name, size in self._one._listing(folder).items()}


class _Watch:
    """Counts requests, and looks at what each statement may read before it starts."""

    def __init__(self, stand: Stand, settings: Settings, *, look: bool) -> None:
        warehouse = AthenaWarehouse(settings)
        self.requests: Counter[str] = Counter()
        self.read: dict[str, dict[str, int]] = {}
        self._look = look
        self._lock = threading.Lock()
        catalog = glue.Catalog(stand.client("glue"), settings.project)
        bucket = Bucket(stand.client("s3"))
        whole = Scans(catalog, bucket, warehouse.files)
        self._sums = {
            "whole_bytes": whole,
            "files": _Sizes(whole, lambda size: 1),
            "tail_bytes": _Sizes(whole, lambda size: min(size, TAIL)),
        }

    def __call__(self, call: Call) -> Failure | None:
        ours = call.client == "engine" or AGENT in call.agent
        if ours and call.service != "engine":
            with self._lock:
                self.requests[f"{call.service} {call.operation} {call.client}"] += 1
        if self._look and call.service == "engine" and call.operation == "StartStatement":
            found: dict[str, Any] = {}
            try:
                reads = _reads(call.resource)
                for name, sums in self._sums.items():
                    found[name] = sum(sums._size(read) for read in reads)
                found["reads"] = sorted(f"{r.database}.{r.name}" for r in reads)
            except Exception as error:  # noqa: BLE001 - what cannot be told is left out
                found["error"] = str(error)[:200]
            self.read[call.parameters["QueryExecutionId"]] = found
        return None


@contextmanager
def watched(stand: Stand, settings: Settings, *, look: bool) -> Iterator[_Watch]:
    """Watch the calls of a block."""
    watch = _Watch(stand, settings, look=look)
    with stand.faults.injected(watch):
        yield watch


def upload(stand: Stand, days: Sequence[Path], prefix: str) -> None:
    """Put some days of a landing into the stand's bucket."""
    client = stand.client("s3")
    for day in days:
        for file in sorted(day.iterdir()):
            key = f"{prefix}/landing/{day.name}/{file.name}"
            client.put_object(Bucket=stand.bucket, Key=key, Body=file.read_bytes())


def days_of(landing: Path) -> list[Path]:
    """Folders of a landing, one a day, in order."""
    return sorted(day for day in landing.iterdir() if day.is_dir())


def settings(name: str, stand: Stand, runs: Path) -> tuple[Settings, dict[str, Any]]:
    """Parameters that lead to a landing of the stand, as production compresses; and overrides."""
    overrides: dict[str, Any] = {
        "project": name,
        "warehouse.databases": {part: f"{name}_{part}" for part in ("landing", "events", "marts")},
        "landing.location": f"s3://{stand.bucket}/{name}/landing/",
        "warehouse.athena.data_location": f"s3://{stand.bucket}/{name}/data/",
        "warehouse.athena.compression": "ZSTD",
        "run.directory": str(runs),
    }
    return load_settings(PARAMS, overrides), overrides


def measured(
    stand: Stand,
    landing: Path,
    parts: Sequence[int],
    name: str,
    runs: Path,
    *,
    notebooks: Sequence[str] = (),
    look: bool = False,
) -> Iterator[Measured]:
    """Land so many days after each other, and run the notebooks after each part."""
    own, overrides = settings(name, stand, runs)
    all_days, before = days_of(landing), 0
    for part in parts:
        some = all_days[before : before + part]
        upload(stand, some, name)
        with watched(stand, own, look=look) as watch:
            record, _ = run(own, ROOT / PARAMS, overrides, choose(notebooks))
        files = [file for day in some for file in day.iterdir()]
        found = Measured(
            "increment" if before else "first",
            name,
            {
                "landing_files_new": len(files),
                "landing_bytes_new": sum(file.stat().st_size for file in files),
                "raw_bytes_new": sum(len(gzip.decompress(file.read_bytes())) for file in files),
                "interaction_bytes": sum(
                    about["bytes"]
                    for name, about in record.files.items()
                    if name.startswith("exports/personalize/interactions/")
                ),
                **facts(open_warehouse(own), some),
            },
            seconds=sum(notebook.seconds for notebook in record.notebooks),
        )
        found.requests = dict(sorted(watch.requests.items()))
        found.tables = dict(record.tables)
        for one in record.each_statement:
            kept = {key: one[key] for key in ("notebook", "label", "rows", "status")}
            kept["scanned"] = one["scanned_bytes"] or 0
            found.statements.append(kept | watch.read.get(one["query_id"], {}))
        found.storage = storage(stand, own)
        before += part
        yield found


def facts(warehouse: Warehouse, new: Sequence[Path]) -> dict[str, float]:
    """What the ledger tells of a landing: of the new days, and of all of them."""
    days = [day.name.partition("=")[2] for day in new]
    with warehouse.session() as session:
        ledger = session.query("select * from landing.ledger")
        found = from_ledger(session, event_bytes=0)
    assert found is not None
    fresh = ledger[ledger["received_at_utc_date"].isin(days)]
    return {
        "events": int(ledger["events"].sum()),
        "events_new": int(fresh["events"].sum()),
        "days": len(ledger),
        "days_new": len(fresh),
        "tables": found.tables,
        "partitions": found.partitions,
    }


def storage(stand: Stand, settings: Settings) -> dict[str, list[float]]:
    """Objects and bytes of the bucket below the project's data, by folder of the table."""
    bucket = Bucket(stand.client("s3"))
    at = Address.parse(settings.warehouse.athena.data_location, folder=True)
    sums: dict[str, list[float]] = {}
    for found in bucket.listing(at):
        parts = found.name.split("/")
        one = sums.setdefault(
            "/".join(parts[:1]) if len(parts) < 3 else f"{parts[0]}/{parts[2]}", [0, 0]
        )
        one[0] += 1
        one[1] += found.size
    return sums


def write(found: Sequence[Measured], path: Path) -> None:
    """Keep measurements as JSON, a statement on each line."""
    runs = [asdict(one) for one in found]
    for one in runs:
        for statement in one["statements"]:
            for name in ("reads", "error", "rows"):
                statement.pop(name, None)
    text = json.dumps(runs, separators=(",", ":")).replace('},{"notebook"', '},\n{"notebook"')
    path.write_text(text + "\n")
