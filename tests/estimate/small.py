"""A calibration that can be reckoned with by hand."""

from __future__ import annotations

from typing import Any

from engagement.estimate.calibration import Calibration, Group

LINES = Group(
    notebook="02_flatten_events",
    label="lines",
    count={"one": 1},
    scanned={"landed_byte": 1},
    files={"partition": 1},
    column_share=1.0,
    spread=(),
)
TABLES = Group(
    notebook="02_flatten_events",
    label="events.*",
    count={"table": 1},
    scanned={"one": 1_000, "event": 100},
    files={"partition": 1},
    column_share=0.5,
    spread=(0.75, 0.25),
)
MARTS = Group(
    notebook="03_model_customers",
    label="query",
    count={"one": 4},
    scanned={"one": 400},
    files={"one": 4},
    column_share=0.5,
    spread=(),
)


def small(**changes: Any) -> Calibration:
    """One statement over the landing, one for each table of events, four over marts."""
    requests = {"s3 writes": {"one": 1_000}, "s3 reads": {"one": 2_000}, "glue": {"one": 3_000}}
    given: dict[str, Any] = {
        "made": "2026-11-30",
        "engine": "by hand",
        "event_bytes": 2_000,
        "zipped_share": 0.1,
        "tables": 10,
        "groups": {"first": (LINES, TABLES, MARTS), "increment": (LINES, TABLES, MARTS)},
        "failed": {"first": 1, "increment": 0},
        "requests": {"first": requests, "increment": requests},
        "stored": {
            "first": {"bytes": {"event": 300}, "objects": {"partition": 1}},
            "increment": {"bytes": {"event": 100}, "objects": {"table": 1}},
        },
        "dashboard_bytes": {"event": 10},
        "interactions": {"event": 0.5},
        "interaction_bytes": 100,
        "landings": (),
    }
    return Calibration(**(given | changes))
