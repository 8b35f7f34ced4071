"""The records of some dates, each read once: kept, set aside as a duplicate, or quarantined."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources

import pyarrow as pa
from sqlglot import exp

from engagement.flatten import discards, fields, increments, tables
from engagement.flatten.increments import Plan
from engagement.flatten.registry import Registry
from engagement.flatten.report import FILES
from engagement.flatten.schema import DEFAULT_COLUMNS, PARTITION
from engagement.landing import do_not_reload
from engagement.messages import counted
from engagement.records.files import LandingError
from engagement.records.lines import cut_records
from engagement.settings import Settings
from engagement.sql.conversions import BIGINT, BOOLEAN, TIMESTAMP, VARCHAR
from engagement.sql.dialect import Table, parse
from engagement.warehouse.frames import columns_of
from engagement.warehouse.json_values import JsonColumn
from engagement.warehouse.protocol import Session
from engagement.warehouse.reading import FileLines, KeptRecords, LandedRecords, LandingSession

_ENVELOPE = {
    name: JsonColumn(
        path, "text" if name in ("message_id", "event", "anonymous_id", "user_id") else "string"
    )
    for name, path in {
        "type": ("type",),
        "event": ("event",),
        "message_id": ("messageId",),
        "anonymous_id": ("anonymousId",),
        "user_id": ("userId",),
        "channel": ("channel",),
        "write_key": ("writeKey",),
        "request_ip": ("request_ip",),
        "context_ip": ("context", "ip"),
        "raw_received_at": ("receivedAt",),
        "raw_sent_at": ("sentAt",),
        "raw_original_timestamp": ("originalTimestamp",),
        "raw_timestamp": ("timestamp",),
    }.items()
}
"""What every record is asked for; ids and names may be anything, and are texts then."""

_TIMES = {
    "stated_received_at": "raw_received_at",
    "sent_at": "raw_sent_at",
    "original_timestamp": "raw_original_timestamp",
    "stated_timestamp": "raw_timestamp",
}
"""Which of these are times; the others are taken as they stand."""

_EVENT_COLUMNS = {
    **DEFAULT_COLUMNS,
    "type": VARCHAR,
    "event": VARCHAR,
    "write_key": VARCHAR,
    "source_file": VARCHAR,
    "record": VARCHAR,
    PARTITION: VARCHAR,
}
KEPT = Table("work", "kept")
_KEPT_COLUMNS = {
    "record_number": BIGINT,
    **{name: kind for name, kind in _EVENT_COLUMNS.items() if name != "record"},
    "shape": BIGINT,
}
_FILE_COLUMNS = {
    "file": VARCHAR,
    "bytes": BIGINT,
    "lines": BIGINT,
    "blank_lines": BIGINT,
    "error": VARCHAR,
    PARTITION: VARCHAR,
}
_DUPLICATE_COLUMNS = {
    "id": VARCHAR,
    "received_at": TIMESTAMP,
    "file": VARCHAR,
    PARTITION: VARCHAR,
}
_OTHER_COLUMNS = {
    "id": VARCHAR,
    "received_at": TIMESTAMP,
    PARTITION: VARCHAR,
    "was_duplicate": BOOLEAN,
}
_QUARANTINE_COLUMNS = {
    PARTITION: VARCHAR,
    "file": VARCHAR,
    "line_number": BIGINT,
    "reason": VARCHAR,
    "record": VARCHAR,
    "record_encoding": VARCHAR,
}
REASONS = Table("landing", "quarantine_reasons")
REASON_COLUMNS = {"reason": VARCHAR, "records": BIGINT, PARTITION: VARCHAR}
_LEDGER_COLUMNS = {
    PARTITION: VARCHAR,
    **dict.fromkeys(
        """
        files bytes lines blank_lines records events duplicates quarantined unreadable_files
        other_sources moved_received_at unbelieved_timestamps
        """.split(),
        BIGINT,
    ),
}


@cache
def text(name: str) -> str:
    """The text of one of the queries of ``flatten/sql``."""
    file = resources.files("engagement.flatten") / "sql" / f"{name}.sql"
    return file.read_text(encoding="utf-8")


@cache
def _sql(name: str) -> exp.Query:
    return parse(text(name), source=f"flatten/sql/{name}.sql")


class Reader:
    """Reads the files of dates and publishes what became of their records."""

    def __init__(
        self, session: LandingSession, settings: Settings, plan: Plan, registry: Registry
    ) -> None:
        self._session = session
        self._settings = settings
        self._plan = plan
        self._registry = registry

    def read(self, days: Sequence[str], unread: Sequence[str]) -> tuple[KeptRecords, list[str]]:
        """Read the files of some dates.

        Parameters
        ----------
        days
            The dates to read now.
        unread
            All dates still to be read, these among them: copies there are not known yet.

        Returns
        -------
        tuple
            The records that stay, and other dates that hold copies judged otherwise now.
        """
        session, settings = self._session, self._settings
        landed = [file for day in days for file in self._plan.files.get(day, ())]
        records = session.read_records(landed, _ENVELOPE, _TIMES)
        session.rows("files", _file_rows(records.files), _FILE_COLUMNS)
        session.work("classified", _sql("classified"))
        do_not_reload.refuse(session, settings)
        keys = settings.landing.write_keys
        sources = {"every_source": not keys, "write_keys": keys}
        window = settings.duplicates.window_days
        has_others = self._find_others(days, unread, window)
        session.work("copies", _sql("copies"), {"window_days": window, **sources})
        session.work("kept", _sql("kept"), sources, lazy=True)
        session.work("ledger", _sql("ledger"), sources)
        _reconcile(session)
        first_copies = columns_of(KEPT, _KEPT_COLUMNS).where(exp.column("is_duplicate").not_())
        kept = records.with_texts(tables.KEPT_TEXTS.name, first_copies, _KEPT_COLUMNS)
        self._publish_records(days)
        self._publish_registry(records, days)
        self._publish_ledger(days)
        unavailable = {one.file.name for one in records.files if one.is_unavailable}
        increments.note_versions(session, days, landed, self._plan.rules, unavailable)
        turned = self._turned(days) if has_others else []
        # What comes now needs the room.
        session.release(*(Table("work", name) for name in ("classified", "copies", "others")))
        return kept, turned

    def _find_others(self, days: Sequence[str], unread: Sequence[str], window: int) -> bool:
        """Collect copies that other dates hold; says whether there may be some after these."""
        session = self._session
        events, duplicates = Table("events", "events"), Table("landing", "duplicates")
        if not session.columns(events) or not session.columns(duplicates):
            rows = pa.table({name: pa.array([], pa.string()) for name in _OTHER_COLUMNS})
            session.rows("others", rows, _OTHER_COLUMNS)
            return False
        first, last = increments.around(days, window)
        values = {
            "first_day": first,
            "last_day": last,
            "days": tuple(days),
            "unread": tuple(unread),
        }
        session.work("others", _sql("others"), values)
        return True

    def _turned(self, days: Sequence[str]) -> list[str]:
        """Dates whose copies are judged otherwise, now that these dates were read."""
        found = self._session.query(
            "select distinct received_at_utc_date from work.copies where record_number is null "
            "and was_duplicate <> is_duplicate and received_at_utc_date > :first order by 1",
            {"first": min(days)},
            label="copies judged otherwise",
        )
        # Files that are gone cannot be read again: what was kept of them stays as it is.
        return [day for day in found[PARTITION] if day in self._plan.files]

    def _publish_records(self, days: Sequence[str]) -> None:
        session = self._session
        session.publish(tables.EVENTS, _sql("events"), partitions=days, columns=_EVENT_COLUMNS)
        session.publish(
            Table("landing", "duplicates"),
            _sql("duplicates"),
            partitions=days,
            columns=_DUPLICATE_COLUMNS,
        )
        session.publish(
            discards.DISCARDS,
            discards.time_discards(),
            partitions=days,
            columns=discards.DISCARD_COLUMNS,
        )
        set_aside = session.work("set_aside", _sql("set_aside"))
        session.locate("located", set_aside, cut_records)
        session.publish(
            Table("landing", "quarantine"),
            _sql("quarantine"),
            partitions=days,
            columns=_QUARANTINE_COLUMNS,
        )
        session.publish(
            REASONS, _sql("quarantine_reasons"), partitions=days, columns=REASON_COLUMNS
        )

    def _publish_registry(self, records: LandedRecords, days: Sequence[str]) -> None:
        session = self._session
        self._registry.forget()
        kept = session.view(
            "kept_records",
            _sql("kept_records"),
            {
                "record_number": BIGINT,
                PARTITION: VARCHAR,
                "type": VARCHAR,
                "event": VARCHAR,
                "id": VARCHAR,
                "record": VARCHAR,
                "record_as_sent": VARCHAR,
                "shape": BIGINT,
            },
        )
        session.put_aside(
            parse(
                f"select received_at_utc_date, id, record from {kept} "
                "where record_as_sent is not null"
            ),
            days,
        )
        session.publish(
            fields.NAMES, _sql("event_names"), partitions=days, columns=fields.NAME_COLUMNS
        )
        found = fields.count_fields(records, kept, self._registry.plans)
        rows = session.rows("fields", found, fields.FIELD_COLUMNS)
        session.publish(
            fields.FIELDS, f"select * from {rows}", partitions=days, columns=fields.FIELD_COLUMNS
        )

    def _publish_ledger(self, days: Sequence[str]) -> None:
        session = self._session
        session.publish(
            FILES,
            "select * from work.files",
            partitions=days,
            columns=_FILE_COLUMNS,
        )
        session.publish(
            Table("landing", "ledger"),
            "select * from work.ledger",
            partitions=days,
            columns=_LEDGER_COLUMNS,
        )


def _file_rows(files: Sequence[FileLines]) -> pa.Table:
    rows = [
        (f.file.name, f.file.size, f.lines, f.blank_lines, f.error, f.file.received_at_utc_date)
        for f in files
    ]
    kinds = {VARCHAR: pa.string(), BIGINT: pa.int64()}
    return pa.table(
        {
            name: pa.array([row[place] for row in rows], kinds[kind])
            for place, (name, kind) in enumerate(_FILE_COLUMNS.items())
        }
    )


def _reconcile(session: Session) -> None:
    columns = [PARTITION, "records", "events", "duplicates", "quarantined"]
    ledger = session.fetch(Table("work", "ledger"), columns, label="reconciliation")
    parts = ledger["events"] + ledger["duplicates"] + ledger["quarantined"]
    wrong = ledger[ledger["records"] != parts].sort_values(PARTITION)
    if not wrong.empty:
        day = wrong.iloc[0]
        raise LandingError(
            f"the records of {counted(len(wrong), 'day')} do not add up, first {day.iloc[0]}: "
            f"{day.iloc[1]} records, but {day.iloc[2]} events, {day.iloc[3]} duplicates and "
            f"{day.iloc[4]} in quarantine. Nothing was published; this is a mistake in the "
            "project: please report it."
        )
