"""Parameters that lead to the stand."""

from __future__ import annotations

from typing import Any

from engagement.settings import Settings, load_settings
from tests.athena.stand import Stand


def settings(stand: Stand, name: str, **athena: Any) -> Settings:
    """Parameters with databases and a prefix of their own; ``athena`` are settings of its section.

    The landing lies in the stand's bucket, below ``<name>/landing/``.
    """
    return load_settings(
        "params/local.yaml",
        {
            "project": name,
            "landing.location": f"s3://{stand.bucket}/{name}/landing/",
            "warehouse.engine": "athena",
            "warehouse.athena": {
                "region": stand.region,
                "data_location": f"s3://{stand.bucket}/{name}/data/",
                "poll_seconds": 0.05,
                "compression": "SNAPPY",
                "attempts": 3,
                **athena,
            },
            "warehouse.databases": {
                part: f"{name}_{part}" for part in ("landing", "events", "marts")
            },
        },
    )


def expire(stand: Stand, name: str) -> None:
    """Let a dead run's lease be over, without the wait that another test holds."""
    stand.client("s3").delete_object(Bucket=stand.bucket, Key=f"{name}/data/lease.json")
