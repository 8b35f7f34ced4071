"""A shop that was open before: invented shoppers' events, landed as Firehose would."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from engagement import owner_only, samples


def land_shoppers(landing: Path, people: int, days: int, today: date | None = None) -> int:
    """Land the events of some days, the last of which is yesterday; a landing is left as it is.

    Returns
    -------
    int
        Events that landed; 0 where something had landed before.
    """
    if landing.is_dir() and any(landing.iterdir()):
        return 0
    today = today or datetime.now(UTC).date()
    settings = samples.GeneratorSettings(
        users=people,
        days=days,
        start=today - timedelta(days=days),
        eur_share=0.0,
        conversion=0.065,
    )
    draft = landing.with_name(landing.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    owner_only.folder(draft.parent)
    report = samples.generate(settings, draft)
    owner_only.tighten(draft)
    if landing.is_dir():
        landing.rmdir()
    draft.rename(landing)
    return int(report.events)
