"""A shop that was open before: invented shoppers' events, landed as Firehose would."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from engagement import private
from engagement.landing import generator


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
    settings = generator.GeneratorSettings(
        users=people,
        days=days,
        start=today - timedelta(days=days),
        eur_share=0.0,
        conversion=0.065,
    )
    draft = landing.with_name(landing.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    private.folder(draft.parent)
    report = generator.generate(settings, draft)
    private.tighten(draft)
    if landing.is_dir():
        landing.rmdir()
    draft.rename(landing)
    return int(report.events)
