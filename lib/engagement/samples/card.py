"""The data card that stands beside generated files."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from engagement.samples.catalogue import CATEGORIES, CURRENCIES, catalogue
from engagement.samples.report import GeneratorReport
from engagement.samples.settings import GeneratorSettings

_TYPES = ("page", "screen", "identify", "group", "alias")
_DIRT = (
    ("duplicate_same_day", "events delivered a second time on the same received date"),
    ("duplicate_later", "events delivered again 1 to 20 days later"),
    ("events_again", "of these, more than seven days later: they count as events again"),
    ("late", "events queued on the device and sent an hour to six days after they happened"),
    ("skewed_clock", "events from devices whose clock is off by hours or years"),
    ("unbelieved_times", "of these, `timestamp` before 2000 or more than a day after `receivedAt`"),
    ("joined_lines", "lines that hold more than one record (`}{`)"),
    ("truncated_lines", "records that break off in the middle"),
    ("blank_lines", "blank lines"),
    ("non_objects", "lines that hold no JSON object"),
    ("odd_names", "events with odd names and odd property names"),
    ("odd_types", "product and order events with a value of the wrong type"),
    ("unknown_types", "records whose `type` is unknown or missing"),
    ("bots", "events of crawlers, told by their user agent"),
    ("invalid_utf8", "records with bytes that are not UTF-8"),
)


def write_data_card(report: GeneratorReport, settings: GeneratorSettings, path: Path) -> None:
    """Write a data card (Markdown) for files that `generate` made.

    Parameters
    ----------
    report, settings
        What `generate` returned, and what it was given.
    path
        File to write; it is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_card(report, settings), encoding="utf-8")


def _card(report: GeneratorReport, settings: GeneratorSettings) -> str:
    bad = {kind: 0 for day in report.days for kind in day.bad}
    for day in report.days:
        for kind, count in day.bad.items():
            bad[kind] += count
    duplicates = sum(day.duplicates for day in report.days)
    totals = (
        ("files", report.files),
        ("bytes in files", report.bytes),
        ("lines, blank ones too", report.lines),
        ("records", report.records),
        ("events (records less duplicates and bad ones)", report.events),
        ("duplicates (same `messageId` within seven days)", duplicates),
        ("bad records", sum(bad.values())),
        ("people who came", report.people),
        ("of these, known by a user id at some time", report.registered),
        ("devices", report.devices),
        ("sessions, crawlers' not counted", report.sessions),
        ("orders", report.orders),
        ("order lines", report.order_lines),
        ("orders reported a second time (page loaded again)", report.repeated_orders),
    )
    tracks = {n: c for n, c in report.event_names.items() if n not in (*_TYPES, "odd")}
    odd = report.event_names.get("odd", 0)
    types = {name: report.event_names.get(name, 0) for name in _TYPES}
    types["track"] = sum(tracks.values()) + odd
    return _TEXT.format(
        start=settings.start,
        end=settings.end,
        days=settings.days,
        layout=f"received_at_utc_date={settings.start}/rudderstack-events-1-...{_suffix(settings)}",
        compressed="gzip" if settings.compress else "plain text",
        totals=_table(("what", "count"), totals),
        types=_table(("type", "events"), types.items()),
        tracks=_table(
            ("event", "events"),
            [
                *sorted(tracks.items(), key=lambda item: (-item[1], item[0])),
                ("odd names, all together", odd),
            ],
        ),
        dirt=_table(
            ("kind", "count", "what it is"),
            [(f"`{kind}`", report.dirt.get(kind, 0), text) for kind, text in _DIRT],
        ),
        products=len(catalogue().products),
        categories=len(CATEGORIES),
        currencies=", ".join(
            f"{code} {share:.0%}"
            for code, share in zip(
                CURRENCIES,
                (
                    1 - settings.eur_share - settings.gbp_share,
                    settings.eur_share,
                    settings.gbp_share,
                ),
                strict=True,
            )
            if share > 0
        ),
        settings=settings.model_dump_json(indent=2),
    )


def _suffix(settings: GeneratorSettings) -> str:
    return ".gz" if settings.compress else ""


def _table(head: tuple[str, ...], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = [f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


_TEXT = """# Data card: sample events

RudderStack behaviour events of an invented shop, as Kinesis Data Firehose lands them in S3:
{days} received dates, {start} to {end}. Everything in them is invented by the generator in
`lib/engagement/samples/`; nobody's behaviour was recorded.

## Layout
One folder per UTC date of `receivedAt`, objects named in Firehose's style, {compressed}, one JSON
event per line (but see the dirt below):

    {layout}

## What is in it
{totals}

Kept events by type:

{types}

Tracked events by name:

{tracks}

## The shop
{products} products in {categories} categories, with invented brands; popularity falls off as in
real shops, people have one to three favourite categories and a style within them, so that what
they view and buy together is not chance. Visits follow the hour of day where people live, the
weekday, a slow growth, and a sale in the second week of every even month. They come from search,
ads, social networks, newsletters, affiliates, links and directly, with UTM parameters, click ids
and referrers to match. Prices are in {currencies} (shares of people). There are guests who never
identify, people with two devices, devices that two people share, aliases, companies (groups),
changes of consent, visitors who did not allow session tracking (no `sessionId`), and a mobile app
(`channel` is `mobile`, `screen` instead of `page`).

Orders add up, in the order's currency: `revenue` = `subtotal` = sum of price × quantity; `discount`
is the coupon's share of it; `shipping` is 4.95 below 60.00 after the discount; `tax` is on
`subtotal` − `discount`; `total` = `subtotal` − `discount` + `shipping` + `tax`. One event in many
reports an order a second time, with the same `order_id` and another `messageId`.

Times: `timestamp` = `receivedAt` − (`sentAt` − `originalTimestamp`).

## What is wrong with it, on purpose
{dirt}

Bad records are the truncated ones, those that are not UTF-8, those of unknown type and the lines
that hold no object. Every event of a session with a skewed clock counts.

## People
Given names are common ones; family names mean "example" or "test" in some language. Mail addresses
are `test.person.…` in domains set apart for examples (RFC 2606), telephone numbers are of the range
+1-555-0100 to +1-555-0199, and addresses on the network of the ranges for documentation (RFC 5737,
RFC 3849). Click ids say `example`.

## How it was made
`engagement generate --profile samples` makes the same events again (the compressed bytes depend on
the version of zlib, nothing else does). The settings:

```json
{settings}
```

## Licence
MIT No Attribution, like the rest of this repository.
"""
