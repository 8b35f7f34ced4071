"""What the Model Context Protocol server lets its clients see, and how much they may ask for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engagement.settings.section import Section

ColumnName = Annotated[str, Field(pattern=r"^(landing|events|marts)\.[^.]+\.[^.]+$")]


class Mcp(Section):
    """What ``engagement mcp`` answers.

    Columns about people are masked unless ``show_personal`` is true; ``show_columns`` names single
    ones to show all the same, each as ``database.table.column``. A query gives at most
    ``most_rows`` rows, whose texts are cut after ``most_characters``, is stopped after
    ``most_seconds``, and on Athena does not start if it might cost more than ``most_usd``.
    """

    show_personal: bool = False
    show_columns: tuple[ColumnName, ...] = ()
    most_rows: int = Field(default=200, ge=1, le=10_000)
    most_characters: int = Field(default=500, ge=20, le=100_000)
    most_seconds: float = Field(default=30, ge=1, le=3600)
    most_usd: float = Field(default=0.1, gt=0, le=100)
