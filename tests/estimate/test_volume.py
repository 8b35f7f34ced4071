"""How much lands: from the ledger, from the listing, or as told."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engagement.estimate.bill import what_lands
from engagement.estimate.prices import names, prices
from engagement.estimate.volume import VolumeError, firehose_files, listed, told
from engagement.flatten.pipeline import flatten
from engagement.records.files import LandedFile
from engagement.settings import SettingsError
from engagement.settings.estimate import _PRICES
from engagement.warehouse import open_warehouse
from tests.estimate.small import small


def test_as_told() -> None:
    volume = told(1_000, 3, small(), event_bytes=500, tables=7)
    assert (volume.events, volume.days, volume.tables, volume.partitions) == (3_000, 3, 7, 21)
    assert volume.landed_bytes == 3_000 * 500 * 0.1
    later = volume.after(2)
    assert (later.events, later.days, later.partitions) == (5_000, 5, 35)
    assert later.events_a_day == volume.events_a_day


def test_firehose_writes_a_file_when_its_buffer_is_full_or_old() -> None:
    assert firehose_files(10, 1_000) == 10  # each in a file of its own
    assert firehose_files(100_000, 1_000) == 288
    assert firehose_files(1e9, 2**10) == pytest.approx(1e9 / 2**17)


def test_a_listing_tells_files_and_bytes() -> None:
    # 1,000 bytes zipped to a tenth are 10,000, and 5,000 that are not zipped: 7.5 events.
    files = [
        LandedFile("2026-09-01", "received_at_utc_date=2026-09-01/a.gz", 1_000, "t"),
        LandedFile("2026-09-02", "received_at_utc_date=2026-09-02/b.json", 5_000, "t"),
    ]
    volume = listed(files, small())
    assert (volume.days, volume.files, volume.landed_bytes) == (2, 2, 6_000)
    assert volume.events == pytest.approx(7.5)
    assert volume.events_a_day == pytest.approx(3.75)
    with pytest.raises(VolumeError, match="no file has landed"):
        listed([], small())


EVENT = '{"messageId": "%s", "type": "track", "event": "Seen", "receivedAt": "%sT10:00:00.000Z"}\n'


def test_the_ledger_goes_before_the_listing(make_settings: Any, tmp_path: Path) -> None:
    for day, ids in (("2026-09-01", "ab"), ("2026-09-02", "cde")):
        folder = tmp_path / "landing" / f"received_at_utc_date={day}"
        folder.mkdir(parents=True)
        (folder / "one.json").write_text("".join(EVENT % (name, day) for name in ids))
    settings = make_settings()
    warehouse = open_warehouse(settings)
    before = what_lands(warehouse)
    assert before.source.startswith("the landing's listing: 2 files of 2 dates")
    flatten(warehouse, settings)
    volume = what_lands(warehouse, event_bytes=777)
    assert volume.source.startswith("the ledger: 5 events of 2 dates")
    assert (volume.events, volume.days, volume.files, volume.events_a_day) == (5, 2, 2, 2.5)
    # events.events, events.tracks and events.seen, each on two dates.
    assert (volume.tables, volume.partitions) == (3, 6)
    assert volume.event_bytes == 777


def test_nothing_landed(make_settings: Any) -> None:
    with pytest.raises(VolumeError, match="ive --events-per-day"):
        what_lands(open_warehouse(make_settings()))


# --- prices ---------------------------------------------------------------------------------------


def test_every_price_says_where_it_is_from() -> None:
    found = prices({})
    assert found.region
    assert isinstance(found.checked, date)
    for one in found.by_name.values():
        assert one.usd > 0
        assert one.unit
        assert one.source
        assert one.sure in ("high", "medium")


def test_own_prices_have_the_names_of_the_list(make_settings: Any) -> None:
    assert sorted(_PRICES) == sorted(names())
    own = prices({"glue_million_requests": 2.5})
    assert own["glue_million_requests"] == 2.5
    assert own.by_name["glue_million_requests"].sure == "own"
    with pytest.raises(SettingsError, match="'athena' is no price"):
        make_settings(estimate__prices={"athena": 1})
