"""``python -m tests.models.dashboard_page``: write docs/dashboard_tables.md from the YAML."""

from __future__ import annotations

from collections.abc import Iterator

from engagement.models.runner import models
from engagement.settings import ROOT

PAGE = ROOT / "docs/dashboard_tables.md"

_HEAD = (
    "# Dashboard tables",
    "",
    (
        "Every table of the layer `dashboards`, in the database `marts`, with its columns;"
        " [dashboards.md](dashboards.md) says which table answers which question and which days it"
        " has, [metrics.md](metrics.md) explains the terms. Keys are written in bold. Every ratio"
        " stands beside its numerator and its denominator. `decimal(38,2)` is money in the"
        " reporting currency; `boolean` columns that begin with `is_` are flags."
    ),
    "",
    (
        "`python -m tests.models.dashboard_page` writes this page from the YAML beside the models"
        " (`lib/engagement/models/sql/dashboards/`); do not edit it here."
    ),
)


def page() -> str:
    """The page as the YAML has it now."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from _HEAD
    for name, model in sorted(models(["dashboards"]).items()):
        document = model.document
        yield from ("", f"## {name}", "", _text(document.description), "")
        yield from (f"One row: {_text(document.grain)}.", "")
        yield from ("| column | type | unit | meaning |", "|---|---|---|---|")
        for column, item in document.columns.items():
            shown = f"**`{column}`**" if column in document.key else f"`{column}`"
            cells = (shown, item.type, item.unit or "", _text(item.description))
            yield f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
