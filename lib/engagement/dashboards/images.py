"""The pictures of the README, drawn from the dashboards' tables: ``docs/images/*.png``.

Made again by ``python -m engagement.dashboards.images`` once ``make run`` has filled the tables.
It reads the parameters that ``ENGAGEMENT_PARAMS`` names, else ``params/local.yaml``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

from engagement.dashboards import charts, report, style
from engagement.settings import ROOT, load_settings
from engagement.warehouse import Warehouse, WarehouseError, open_warehouse

FOLDER = ROOT / "docs/images"


def draw(warehouse: Warehouse, currency: str) -> dict[str, Figure]:
    """Draw the pictures, by the name of their files.

    Raises
    ------
    WarehouseError
        When the tables hold too little for one of them.
    """
    data = report.collect(warehouse)
    overview, channels = data["overview"], data["channels"]
    later = data["retention"].query("week_number > 0")
    drawn = {
        "revenue": charts.chart_or_message(
            overview, charts.trend, 7, "", measure="revenue", name="Revenue", unit=currency
        ),
        "retention": charts.chart_or_message(later, charts.retention, 1, "", counting="is_mature"),
        "attribution": charts.chart_or_message(
            channels, charts.attribution, 1, "", counting="revenue", unit=currency
        ),
    }
    figures = {name: figure for name, figure in drawn.items() if isinstance(figure, Figure)}
    missing = sorted(drawn.keys() - figures.keys())
    if missing:
        raise WarehouseError(
            f"too little data for {', '.join(missing)}: run the workbook on the samples first"
        )
    return figures


def save(figures: dict[str, Figure], folder: Path) -> list[Path]:
    """Write the pictures; those that were there are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in sorted(figures.items()):
        path = folder / f"{name}.png"
        path.write_bytes(style.png(figure, dpi=110))
        paths.append(path)
    return paths


def main() -> int:
    """Make the pictures of the README again."""
    settings = load_settings()
    try:
        figures = draw(open_warehouse(settings), settings.currency.reporting)
    except WarehouseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path in save(figures, FOLDER):
        sys.stdout.write(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
