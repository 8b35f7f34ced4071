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
from engagement.dashboards.report import glossary, live, overview, pieces, reading, sections
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
        The moment that freshness is measured at, for the alerts; left out, the present one.

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

    All of them, those that a team may do without too, have to be built with these parameters.

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
        Tells "there is none" from "no event is mapped to it".
    found
        The alerts that stand on top.
    weeks, threshold
        What an unusual day is told by: see :mod:`engagement.alerts.anomalies`.
    """
    mapped = mapped or EventMapping((), {})
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
            _acquisition(frames, currency),
            "</div>",
            _behaviour(frames, window_days, currency, mapped),
            _commerce(frames, currency, mapped),
            _attribution(frames, currency, lookback_days, mapped),
            _retention(frames, settling_days),
            _customers(frames, currency),
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


def _acquisition(frames: sections.Frames, currency: str) -> str:
    source = {"source": "source", "medium": "medium", "campaign": "campaign"}
    return pieces.section(
        "Acquisition",
        sections.channels(frames["channels"], currency)
        + sections.visits(frames, "sources", "Sources and campaigns", source, currency)
        + sections.visits(
            frames, "landing_pages", "Landing pages", {"landing_page": "page"}, currency
        ),
        anchor="acquisition",
    )


def _behaviour(
    frames: sections.Frames, window_days: int, currency: str, mapped: EventMapping
) -> str:
    return pieces.section(
        "Behaviour",
        sections.funnel(frames["funnel"], window_days, mapped)
        + sections.pages(frames)
        + sections.visits(frames, "devices", "Devices", {"device_type": "device"}, currency)
        + sections.visits(frames, "countries", "Countries", {"country": "country"}, currency)
        + sections.searches(frames["searches"], mapped),
        anchor="behaviour",
    )


def _commerce(frames: sections.Frames, currency: str, mapped: EventMapping) -> str:
    return pieces.section(
        "Commerce",
        sections.products(frames["products"], currency, mapped)
        + sections.categories(frames, currency)
        + sections.carts(frames)
        + sections.hours(frames)
        + sections.money(frames["reconciliation"], currency, mapped),
        anchor="commerce",
    )


def _attribution(
    frames: sections.Frames, currency: str, lookback_days: int, mapped: EventMapping
) -> str:
    return pieces.section(
        "Attribution",
        sections.attribution(frames["channels"], currency, lookback_days, mapped)
        + sections.models(frames, currency)
        + sections.paths(frames, currency),
        anchor="attribution",
    )


def _retention(frames: sections.Frames, settling_days: int) -> str:
    return pieces.section(
        "Retention",
        sections.retention(frames["retention"], settling_days)
        + sections.people(frames)
        + sections.lifecycle(frames),
        anchor="retention",
    )


def _customers(frames: sections.Frames, currency: str) -> str:
    content = sections.segments(frames, currency) + sections.values(frames, currency)
    return pieces.section("Customers", content, anchor="customers") if content else ""
