"""A plan of the set-up as tables, to look at in a notebook."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from engagement.personalize.planning import Plan


def calls(plan: Plan) -> pd.DataFrame:
    """One row per kind of call, in the order of the first: how many, and what for."""
    frame = pd.DataFrame(
        [(one.service, one.operation, one.why) for one in plan.calls],
        columns=["service", "operation", "why"],
    )
    grouped = frame.groupby(["service", "operation"], sort=False)["why"]
    counted = grouped.agg(["size", "first"]).reset_index()
    return counted.rename(columns={"size": "calls", "first": "what for"})


def billed(plan: Plan) -> pd.DataFrame:
    """One row per step that costs: what is billed, and how much of a quota it takes."""
    return pd.DataFrame(
        [(one.what, one.cost, one.quota) for one in plan.billed],
        columns=["step", "billed", "quota"],
    )


def listed(sentences: Sequence[str], none: str) -> str:
    """Sentences as a list in Markdown, or what to say where there is none."""
    return "\n".join(f"- {one}." for one in sentences) if sentences else none
