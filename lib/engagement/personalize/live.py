"""The replayer as the command line and notebooks use it: opened from the parameters, or planned."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from engagement.aws import requests
from engagement.aws.requests import Call, People
from engagement.aws.service_model import Later
from engagement.messages import counted
from engagement.personalize import resource_types
from engagement.personalize.checkpoint import Checkpoint
from engagement.personalize.mapping import LiveMapping, Put, Refused, load_mapping, puts
from engagement.personalize.planning import requests_folder
from engagement.personalize.replay import (
    LEFT_OUT,
    REFUSED,
    SENT,
    UNREADABLE,
    Replay,
    Replayed,
    Since,
    WarehouseLanding,
    calls_of,
    events,
)
from engagement.personalize.resources import Setup, describe, listing
from engagement.personalize.sending import (
    LiveError,
    RateLimit,
    Retries,
    Sender,
    Target,
    events_client,
    request,
)
from engagement.personalize.service import AwsCaller
from engagement.personalize.setup import Names
from engagement.records.files import LandedFile
from engagement.records.lines import UnreadableFileError
from engagement.settings import Settings
from engagement.warehouse import open_warehouse
from engagement.warehouse.reading import LandingWarehouse

TOPIC = "personalize-live"
_HIDDEN = (
    *("userId", "sessionId", "eventId", "itemId", "properties"),
    *("impression", "recommendationId"),
)


def target_of(settings: Settings) -> tuple[str, dict[str, str]]:
    """The event tracker's id and the data sets' ARNs, from the parameters or the account.

    Raises
    ------
    LiveError
        When no set-up is found.
    """
    chosen, names = settings.personalize, Names.of(settings)
    setup = Setup(AwsCaller(names.region), settings.project)
    tracking_id, datasets = chosen.live.tracking_id, dict[str, str]()
    for group in listing(setup.caller, resource_types.DATASET_GROUP, None):
        if group["name"] != names.group:
            continue
        arn = str(group["datasetGroupArn"])
        for item in listing(setup.caller, resource_types.DATASET, arn):
            datasets[str(item["datasetType"]).lower()] = str(item["datasetArn"])
        for item in listing(setup.caller, resource_types.TRACKER, arn):
            found = describe(setup.caller, resource_types.TRACKER, str(item["eventTrackerArn"]))
            tracking_id = tracking_id or (found or {}).get("trackingId")
    if tracking_id is None:
        raise LiveError(
            f"there is no event tracker of the dataset group {names.group}: run 'engagement "
            "personalize up' first, or set personalize.live.tracking_id"
        )
    return tracking_id, datasets


@contextmanager
def replayer(
    settings: Settings,
    tracking_id: str,
    datasets: Mapping[str, str],
    *,
    since: date | None = None,
    again: bool = False,
    client: Any = None,
    progress: Callable[[LandedFile, Replayed], None] = lambda *_: None,
) -> Iterator[Replay]:
    """A replay by the parameters, with its checkpoint open while the block lasts."""
    chosen = settings.personalize.live
    mapping = load_mapping(settings.path(chosen.mapping))
    names = Names.of(settings)
    sender = Sender(
        client or events_client(names.region, connections=chosen.concurrency),
        Target(tracking_id, datasets),
        RateLimit(chosen.calls_per_second),
        Retries(chosen.attempts),
    )
    landed = WarehouseLanding(open_warehouse(settings), settings.landing.most_file_megabytes)
    text = "\0".join([names.region, tracking_id])
    target = hashlib.sha256(text.encode("utf-8")).hexdigest()
    with Checkpoint(settings.path(chosen.checkpoint), target) as checkpoint:
        yield Replay(
            landed,
            mapping,
            sender,
            checkpoint,
            write_keys=settings.landing.write_keys,
            since=since,
            again=again,
            window_days=settings.duplicates.window_days,
            concurrency=chosen.concurrency,
            progress=progress,
        )


def lines(done: Replayed) -> list[str]:
    """What a replay did, in a few lines."""
    sent = counted(done.sent, "entry", "entries")
    first = (
        f"done: {sent} sent in {counted(done.calls, 'call')} from {counted(done.files, 'file')}, "
        f"{done.retries:,} tried again, {done.per_second:,.0f} a second"
    )
    return [first, *_counts(done.counts)]


_TOTALS = (SENT, LEFT_OUT, REFUSED)


def _counts(counts: Mapping[str, int]) -> list[str]:
    """Everything else that became of events, most first."""
    rest = {name: count for name, count in counts.items() if name not in _TOTALS}
    return [
        f"{number:,} {name}"
        for name, number in sorted(rest.items(), key=lambda item: (-item[1], item[0]))
    ]


@dataclass(frozen=True)
class Planned:
    """What a replay would send."""

    entries: int
    calls: int
    lines: list[str]
    folder: Path


def plan(settings: Settings, *, since: date | None = None) -> Planned:
    """Read the landing as a replay would, and write one masked sample of each kind of call.

    Raises
    ------
    MappingError, RequestError
        When the mapping cannot be used, or the service would refuse a sample.
    """
    mapping = load_mapping(settings.path(settings.personalize.live.mapping))
    warehouse = open_warehouse(settings)
    if not isinstance(warehouse, LandingWarehouse):
        words = f"{warehouse.describe()} reads no landing: there is nothing that could be replayed."
        return Planned(0, 0, [words], settings.path(settings.run.directory))
    landed = WarehouseLanding(warehouse, settings.landing.most_file_megabytes)
    told: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    samples: dict[str, list[Put]] = {}
    digest = hashlib.sha256()
    known: set[bytes] = set()
    for file in landed.files():
        day = file.received_at_utc_date
        if Since(since).is_before_day(day):
            continue
        try:
            data = landed.read(file)
        except UnreadableFileError:
            told["files that cannot be read"] += 1
            continue
        digest.update(data)
        for call in calls_of(_entries(data, mapping, settings, told, known, Since(since), day)):
            kind = call[0].call
            numbers[kind] += 1
            told[f"entries by {kind}"] += len(call)
            samples.setdefault(kind, call)
    target = Target(
        Later("trackingId of CreateEventTracker"),
        {name: Later(f"datasetArn of CreateDataset, {name}") for name in ("users", "items")},
    )
    calls = [
        Call(
            "personalize-events",
            kind,
            request(target, kind, call),  # type: ignore[arg-type]
            f"{counted(numbers[kind], 'call')}, as RudderStack's destination would make them",
            people=People(
                told[f"entries by {kind}"], "the landing", digest.hexdigest(), numbers[kind]
            ),
            hidden=_HIDDEN,
        )
        for kind, call in sorted(samples.items())
    ]
    folder = requests_folder(settings, None)
    requests.write(folder, TOPIC, calls)
    entries = sum(told[f"entries by {kind}"] for kind in numbers)
    said = [
        f"{counted(entries, 'entry', 'entries')} in {counted(sum(numbers.values()), 'call')}",
        *_counts(told),
    ]
    return Planned(entries, sum(numbers.values()), said, folder / TOPIC)


def _entries(
    data: bytes,
    mapping: LiveMapping,
    settings: Settings,
    told: Counter[str],
    known: set[bytes],
    since: Since,
    day: str,
) -> list[Put]:
    found = []
    keys = frozenset(settings.landing.write_keys)
    for text, event in events(data):
        if event is None:
            told[UNREADABLE] += 1
            continue
        if (keys and event.get("writeKey") not in keys) or since.is_before(day, event):
            continue
        for one in puts(event, text, mapping):
            if isinstance(one, Refused):
                told[f"{LEFT_OUT}: {one.call}, {one.reason}"] += 1
                continue
            key = hashlib.blake2b(f"{one.call}\0{one.id}".encode(), digest_size=16).digest()
            if key not in known:
                known.add(key)
                found.append(one)
    return found
