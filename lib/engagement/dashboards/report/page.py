"""The page as a whole."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from string import Template

import pandas as pd

from engagement import alerts, owner_only
from engagement.alerts import Alert
from engagement.as_of import AsOf, resolve_as_of
from engagement.dashboards.report import (
    glossary,
    live,
    overview,
    people,
    pieces,
    reading,
    sections,
)
from engagement.dashboards.report.periods import Days
from engagement.models import runner
from engagement.models.concepts import EventMapping, mapping
from engagement.settings import Settings
from engagement.warehouse.protocol import Warehouse


def write(
    warehouse: Warehouse,
    settings: Settings,
    as_of: AsOf,
    path: Path,
    *,
    now: datetime | None = None,
) -> Path:
    """Write the report of an as-of moment to a file.

    Parameters
    ----------
    now
        When freshness is measured, for the alerts; by default now.

    Returns
    -------
    Path
        The file.
    """
    frames = reading.collect(warehouse)
    ledger = frames.get("ledger")
    newest = None if ledger is None or ledger.empty else ledger["newest"].iloc[0]
    data = alerts.Data(
        frames.get("overview"),
        frames.get("received"),
        None if newest is None or pd.isna(newest) else newest.to_pydatetime(),
    )
    page = render(
        frames,
        as_of=as_of,
        timezone=settings.timezone,
        currency=settings.currency.reporting,
        window_days=settings.funnel.window_days,
        lookback_days=settings.attribution.lookback_days,
        exclude_bots=settings.metrics.exclude_bots,
        settling_days=settings.metrics.settling_days,
        mapped=mapping(warehouse, settings),
        found=alerts.found(data, settings, now or datetime.now(UTC)),
        weeks=settings.alerts.weeks,
        threshold=settings.alerts.threshold,
    )
    owner_only.replace(path, page)
    return path


def write_now(warehouse: Warehouse, settings: Settings, path: Path) -> Path:
    """Write the report of the tables as they are.

    All tables it shows must have been built with these parameters, optional ones too.

    Raises
    ------
    ModelError
        When tables are missing, or were built with other parameters.
    """
    as_of = resolve_as_of(warehouse, settings)
    runner.require(warehouse, settings, as_of, reading.models_read(warehouse))
    owner_only.folder(path.parent)
    return write(warehouse, settings, as_of, path)


def render(
    frames: Mapping[str, pd.DataFrame],
    *,
    as_of: AsOf,
    timezone: str,
    currency: str,
    window_days: int,
    lookback_days: int,
    exclude_bots: bool,
    settling_days: int,
    mapped: EventMapping | None = None,
    found: Sequence[Alert] = (),
    weeks: int = 8,
    threshold: float = 3.5,
) -> str:
    """Make the page from the frames of :func:`engagement.dashboards.report.collect`.

    Parameters
    ----------
    mapped
        Distinguishes "there is none" from "no event is mapped to it".
    found
        The alerts, which are shown at the top.
    weeks, threshold
        Which days are unusual: see :mod:`engagement.alerts.anomalies`.
    """
    mapped = mapped or EventMapping((), {})
    days = Days.of(frames["overview"])
    scripts = live.scripts(frames)
    body = "\n".join(
        [
            overview.key_figures(
                frames,
                currency,
                settling_days,
                as_of,
                mapped,
                found,
                weeks=weeks,
                threshold=threshold,
            ),
            '<div id="narrowed">',
            live.bar() if scripts else "",
            overview.trends(frames["overview"], currency, weeks=weeks, threshold=threshold),
            _acquisition(frames, currency, days),
            "</div>",
            _behaviour(frames, window_days, currency, mapped, days),
            _commerce(frames, currency, mapped, days),
            _attribution(frames, currency, lookback_days, mapped, days),
            _retention(frames, settling_days, days),
            _customers(frames, currency, days),
            pieces.section("Data quality", sections.quality(frames), anchor="data-quality"),
            glossary.glossary(settling_days),
        ]
    )
    template = (resources.files(__package__) / "page.html").read_text("utf-8")
    return Template(template).substitute(
        policy=live.policy(scripts),
        title=pieces.escape("Customer engagement"),
        subtitle=pieces.escape(
            f"As of {as_of}; days in {timezone}, money in {currency}, "
            f"crawlers {'left out' if exclude_bots else 'counted'}."
        ),
        contents=_contents(body),
        body=body,
        scripts=live.tags(scripts, frames, currency, weeks=weeks, threshold=threshold),
        footer=pieces.escape(
            "The YAML beside each table's SQL defines every figure; 'engagement tables' lists "
            "the tables of marts with what they hold."
        ),
    )


def _contents(body: str) -> str:
    """Links to the sections that there are."""
    found = re.findall(r'<section id="([a-z-]+)">\n<h2>([^<]+)</h2>', body)
    return " ".join(f'<a href="#{anchor}">{title}</a>' for anchor, title in found)


def _acquisition(frames: sections.Frames, currency: str, days: Days | None) -> str:
    source = {"source": "source", "medium": "medium", "campaign": "campaign"}
    page = {"landing_page": "page"}
    return pieces.section(
        "Acquisition",
        sections.channels(frames["recent_channels"], currency, days)
        + sections.visits(frames, "sources", "Sources and campaigns", source, currency, days)
        + sections.visits(frames, "landing_pages", "Landing pages", page, currency, days),
        anchor="acquisition",
    )


def _behaviour(
    frames: sections.Frames,
    window_days: int,
    currency: str,
    mapped: EventMapping,
    days: Days | None,
) -> str:
    device, country = {"device_type": "device"}, {"country": "country"}
    return pieces.section(
        "Behaviour",
        sections.funnel(frames["funnel"], window_days, mapped, days)
        + sections.pages(frames, days)
        + sections.visits(frames, "devices", "Devices", device, currency, days)
        + sections.visits(frames, "countries", "Countries", country, currency, days)
        + sections.searches(frames["searches"], mapped, days),
        anchor="behaviour",
    )


def _commerce(
    frames: sections.Frames, currency: str, mapped: EventMapping, days: Days | None
) -> str:
    return pieces.section(
        "Commerce",
        sections.products(frames["products"], currency, mapped, days)
        + sections.categories(frames, currency, days)
        + sections.carts(frames, days)
        + sections.hours(frames, days)
        + sections.money(frames["reconciliation"], currency, mapped, days),
        anchor="commerce",
    )


def _attribution(
    frames: sections.Frames,
    currency: str,
    lookback_days: int,
    mapped: EventMapping,
    days: Days | None,
) -> str:
    return pieces.section(
        "Attribution",
        sections.attribution(frames["channels"], currency, lookback_days, mapped, days)
        + sections.models(frames, currency, days)
        + sections.paths(frames, currency, days),
        anchor="attribution",
    )


def _retention(frames: sections.Frames, settling_days: int, days: Days | None) -> str:
    return pieces.section(
        "Retention",
        people.retention(frames["retention"], settling_days)
        + people.active(frames, days)
        + people.lifecycle(frames),
        anchor="retention",
    )


def _customers(frames: sections.Frames, currency: str, days: Days | None) -> str:
    content = people.segments(frames, currency, days) + people.values(frames, currency, days)
    return pieces.section("Customers", content, anchor="customers") if content else ""
