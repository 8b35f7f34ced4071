"""Objects as Firehose lands them, and the count of what is in them."""

import gzip
import hashlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from engagement.samples.dirt import BLANKS, GAPS, NON_OBJECTS, SPOILT, Flag
from engagement.samples.render import Records
from engagement.samples.report import DayTruth
from engagement.samples.scene import COMPLETED, NAMES
from engagement.samples.settings import GeneratorSettings
from engagement.samples.text import Array

STREAM = "rudderstack-events-1"

_COUNTED = {
    "duplicate_same_day": Flag.DUPLICATE_SAME_DAY,
    "duplicate_later": Flag.DUPLICATE_LATER,
    "late": Flag.LATE,
    "skewed_clock": Flag.SKEWED_CLOCK,
    "truncated_lines": Flag.TRUNCATED,
    "odd_names": Flag.ODD_NAME,
    "odd_types": Flag.ODD_TYPE,
    "unknown_types": Flag.UNKNOWN_TYPE,
    "bots": Flag.BOT,
    "invalid_utf8": Flag.INVALID_UTF8,
    "events_again": Flag.EVENT_AGAIN,
    "unbelieved_times": Flag.UNBELIEVED,
}
_BAD = ("truncated_lines", "invalid_utf8", "unknown_types", "non_objects")


class DayWriter:
    """Writes one received date, object by object, and counts."""

    def __init__(self, folder: Path, day: str, settings: GeneratorSettings) -> None:
        self.folder = folder / f"received_at_utc_date={day}"
        self.day = day
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self.names: Counter[str] = Counter()
        self.pending: list[bytes] = []
        self.held = 0
        self.opened = 0

    def write(self, records: Records, rng: np.random.Generator) -> None:
        """Write records in the order given, with the lines' own dirt between them."""
        begin = 0
        while begin < len(records.text):
            room = self.settings.object_records - self.held
            end = min(begin + room, len(records.text))
            part = slice(begin, end)
            if not self.pending:
                self.opened = int(records.landed[begin])
            self.pending.append(self._lines(records, part, rng))
            self.held += end - begin
            if self.held >= self.settings.object_records:
                self._flush()
            begin = end

    def close(self) -> DayTruth:
        """Write what is left and return what the day holds."""
        self._flush()
        c = self.counts
        return DayTruth(
            received_at_utc_date=self.day,
            files=c["files"],
            bytes=c["bytes"],
            lines=c["lines"],
            blank_lines=c["blank_lines"],
            records=c["records"],
            events=c["events"],
            duplicates=c["duplicates"],
            quarantined=sum(c[name] for name in _BAD),
            bad={name: c[name] for name in _BAD if c[name]},
        )

    def _lines(self, records: Records, part: slice, rng: np.random.Generator) -> bytes:
        text, flags, code = records.text[part], records.flags[part], records.code[part]
        size, rates = len(text), self.settings.dirt
        whole = (flags & int(SPOILT & ~Flag.UNKNOWN_TYPE)) == 0
        together = np.zeros(size, dtype=bool)
        together[:-1] = (rng.random(size) < rates.joined_lines)[:-1] & whole[:-1] & whole[1:]
        blank = ~together & (rng.random(size) < rates.blank_lines)
        foreign = ~together & (rng.random(size) < rates.non_objects)
        ends = np.empty(size, dtype=object)
        ends[:] = b"\n"
        for row in np.flatnonzero(together).tolist():
            ends[row] = GAPS[int(rng.integers(len(GAPS)))]
        for row in np.flatnonzero(foreign).tolist():
            ends[row] += NON_OBJECTS[int(rng.integers(len(NON_OBJECTS)))] + b"\n"
        for row in np.flatnonzero(blank).tolist():
            ends[row] += BLANKS[int(rng.integers(len(BLANKS)))] + b"\n"
        self._count(text, flags, code)
        self.counts["joined_lines"] += int((np.diff(together, prepend=False) & together).sum())
        self.counts["blank_lines"] += int(blank.sum())
        self.counts["non_objects"] += int(foreign.sum())
        self.counts["records"] += size + int(foreign.sum())
        self.counts["lines"] += size - int(together.sum()) + int(blank.sum() + foreign.sum())
        pieces = np.empty(2 * size, dtype=object)
        pieces[0::2] = text
        pieces[1::2] = ends
        return b"".join(pieces.tolist())

    def _count(self, text: Array, flags: Array, code: Array) -> None:
        for name, flag in _COUNTED.items():
            self.counts[name] += int(((flags & int(flag)) != 0).sum())
        copies = int(Flag.DUPLICATE_SAME_DAY | Flag.DUPLICATE_LATER)
        duplicate = ((flags & copies) != 0) & ((flags & int(Flag.EVENT_AGAIN)) == 0)
        kept = ~duplicate & ((flags & int(SPOILT)) == 0)
        self.counts["duplicates"] += int(duplicate.sum())
        self.counts["events"] += int(kept.sum())
        self.counts["sessions"] += int(((flags & int(Flag.SESSION)) != 0).sum())
        again = ((flags & int(Flag.REPEATED_ORDER)) != 0) & kept
        self.counts["repeated_orders"] += int(again.sum())
        original = kept & ((flags & int(Flag.EVENT_AGAIN)) == 0) & ~again
        ordered = np.flatnonzero(original & (code == COMPLETED))
        self.counts["orders"] += len(ordered)
        self.counts["order_lines"] += sum(t.count(b'"product_id":') for t in text[ordered])
        for number, count in enumerate(np.bincount(code[kept], minlength=len(NAMES)).tolist()):
            if count:
                self.names[NAMES[number]] += count

    def _flush(self) -> None:
        if not self.pending:
            return
        body = b"".join(self.pending)
        self.pending, self.held = [], 0
        if self.settings.compress:
            body = gzip.compress(body, compresslevel=6, mtime=0)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / self._object_name()).write_bytes(body)
        self.counts["files"] += 1
        self.counts["bytes"] += len(body)

    def _object_name(self) -> str:
        """Return a name as Firehose gives: stream, version, time of the first record, a UUID."""
        moment = datetime.fromtimestamp(self.opened / 1000, tz=UTC).strftime("%Y-%m-%d-%H-%M-%S")
        number = self.counts["files"]
        text = f"{self.settings.seed} {self.day} {number}"
        digest = hashlib.sha256(text.encode()).hexdigest()
        unique = "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))
        suffix = ".gz" if self.settings.compress else ""
        return f"{STREAM}-{moment}-{unique}{suffix}"
