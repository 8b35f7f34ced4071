"""A segment from its rule to its files, its planned calls and, if the parameters say so, its send.

What the command line does, and a notebook may.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engagement.as_of import AsOf
from engagement.audience import advertising, customer_profiles, history, planning, reverse_etl
from engagement.audience.advertising import GOOGLE, META, AdExport
from engagement.audience.customer_profiles import Export
from engagement.audience.files import ExportedFile
from engagement.audience.members import Members, members
from engagement.audience.segments import Segment
from engagement.audience.sending import Report, Sender
from engagement.audience.stream import Format
from engagement.aws.requests import Planned
from engagement.settings import Settings
from engagement.warehouse import Warehouse

EXPORTS, REQUESTS, REJECTS = "exports", "requests", "exports/rejects"


@dataclass(frozen=True)
class Prepared:
    """A segment's files.

    Attributes
    ----------
    profiles
        For Customer Profiles.
    ads
        For advertising, by service, where the parameters ask for them.
    plain
        By the parameters' mapping.
    """

    who: Members
    folder: Path
    profiles: Export
    ads: dict[str, AdExport]
    plain: tuple[ExportedFile, ...]


def prepare(
    warehouse: Warehouse, settings: Settings, segment: Segment, as_of: AsOf, folder: Path
) -> Prepared:
    """Write the files of a segment's members below a folder of runs; nothing is sent.

    Parameters
    ----------
    folder
        A run's folder: the files go to ``exports/…`` in it.

    Raises
    ------
    AudienceError
        When the segment, or the parameters' mapping, does not fit the tables.
    """
    who = members(warehouse, settings, segment, as_of)
    exports, files = folder / EXPORTS, settings.activation.files
    how = Format(files.part_bytes, files.part_rows, packed=files.packed)
    profiles = customer_profiles.export_members(
        segment,
        customer_profiles.batch_name(segment, as_of.day),
        who.reached(),
        exports / "customer_profiles",
        folder / REJECTS,
        Format(most_bytes=settings.activation.customer_profiles.part_bytes),
    )
    ads = {
        service.name: advertising.export(
            service, segment.name, who.reached(), exports / service.name, how
        )
        for service, wanted in ((GOOGLE, files.google_ads), (META, files.meta))
        if wanted
    }
    plain: tuple[ExportedFile, ...] = ()
    if files.mapping:
        place = exports / "reverse_etl"
        plain = reverse_etl.export(segment.name, who.reached(), files.mapping, place, how)
    return Prepared(who, folder, profiles, ads, plain)


def plan(settings: Settings, prepared: Prepared) -> list[Planned]:
    """Write the calls that a send would make to ``requests/audience/``; nothing is sent."""
    sender = Sender(settings, prepared.who.segment)
    return planning.plan(
        sender, prepared.profiles, prepared.who.as_of.day, prepared.folder / REQUESTS
    )


def record_written(settings: Settings, prepared: Prepared) -> dict[str, int] | None:
    """Remember the people of the files as exported, if the parameters say that files alone count.

    Returns
    -------
    dict or None
        People times channels per arm; ``None`` where files alone do not count.
    """
    if settings.activation.exported_when != "written":
        return None
    return _record(prepared)


def _record(prepared: Prepared) -> dict[str, int]:
    who = prepared.who
    return history.record(who.warehouse, who.segment, who.as_of.day, who.contacts())


def send(
    settings: Settings,
    prepared: Prepared,
    tell: Callable[[str], None],
    *,
    afresh: bool = False,
) -> Report:
    """Send a segment, and remember who was sent: caps and measuring look at that.

    Raises
    ------
    AudienceError
        When the parameters do not allow to send.
    SendError
        When it did not get to its end; sending again goes on.
    """
    who = prepared.who
    report = Sender(settings, who.segment, tell).send(
        prepared.profiles, who.as_of.day, prepared.folder / REJECTS, afresh=afresh
    )
    _record(prepared)
    return report
