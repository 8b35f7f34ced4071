"""What an erasure tells: what was found, done and left; and what cannot be asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from engagement import owner_only
from engagement.erasure import runs
from engagement.erasure.people import Person
from engagement.errors import WrongInputError
from engagement.settings import Settings

OF_FILES, OF_TABLES = "landed files", "tables that RudderStack loads"
BLOCKED = "user ids that nobody has (blocked in advance)"


class ErasureError(WrongInputError):
    """An erasure that cannot be asked for like this."""


class NobodyError(ErasureError):
    """Ids were named that nobody has.

    ``alike`` gives other people's ids that are similar, by the id that was named: for the screen of
    whoever asked, and for nothing that is kept. The message holds none of them.
    """

    def __init__(self, alike: Mapping[str, Sequence[str]]) -> None:
        self.alike = alike
        named = ", ".join(f"'{one}'" for one in alike)
        super().__init__(_nobody(named, len(alike)))


def _nobody(named: str, count: int) -> str:
    who = f"the user ids {named} are nobody's" if count > 1 else f"the user id {named} is nobody's"
    return (
        f"{who}: no landed file, table or earlier run has {'them' if count > 1 else 'it'}. Nothing "
        "was changed. Write an id letter by letter as it was sent; or add --block, to keep it out "
        "should it ever come."
    )


@dataclass
class Receipt:
    """What an erasure found and did, without personal data.

    ``people`` are keyed hashes of the user ids that were named. ``ids`` counts those found;
    ``landing`` gives the records taken out, by file (or the rows, by table that RudderStack loads),
    and ``why`` they went; ``tables`` the rows that held the person before and after; ``audiences``
    what went of where people were sent to; ``runs`` what became of files of earlier runs;
    ``forgotten`` what was removed of what tables no longer held. ``left`` names what is not gone,
    and why. ``source`` is what ``landing`` counts records of.
    """

    id: str
    engine: str
    status: str
    started: str
    people: list[str] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    landing: dict[str, int] = field(default_factory=dict)
    why: dict[str, int] = field(default_factory=dict)
    dates: list[str] = field(default_factory=list)
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    audiences: dict[str, int] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    forgotten: dict[str, int] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    source: str = OF_FILES
    ended: str = ""

    def leave(self, sentence: str) -> None:
        """Note once what is not gone."""
        if sentence not in self.left:
            self.left.append(sentence)

    @property
    def records(self) -> int:
        """Records taken out of landed files, or rows of tables that RudderStack loads."""
        return sum(self.landing.values())


@dataclass(frozen=True)
class Findings:
    """What there is of the people: shown on the screen, never written to a file."""

    who: Person
    receipt: Receipt
    path: Path | None = None


def folder(settings: Settings) -> Path:
    """Where receipts are kept."""
    return settings.path(settings.run.directory) / runs.RECEIPTS


def write(path: Path, receipt: Receipt) -> None:
    """Keep a receipt; it replaces an earlier one of its id."""
    owner_only.folder(path.parent)
    owner_only.replace(path, json.dumps(asdict(receipt), indent=2) + "\n")


def now() -> str:
    """The present time in UTC, as receipts have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
