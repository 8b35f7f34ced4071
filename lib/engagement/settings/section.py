"""What every section of the parameters shares: strict keys, common types, mistakes."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from engagement.errors import WrongInputError
from engagement.project import ROOT

__all__ = [
    "FIRST_DAY",
    "LAST_DAY",
    "LATEST",
    "ROOT",
    "S3_ADDRESS",
    "ColumnType",
    "Names",
    "Section",
    "SettingsError",
    "Share",
    "named_once",
]


class SettingsError(WrongInputError):
    """Parameters that cannot be used, with every mistake found.

    Attributes
    ----------
    problems
        One sentence per mistake, each starting with the key it is about.
    """

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = problems
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{count} in the parameters ({source}):\n{lines}")


class Section(BaseModel):
    """A section of the parameters: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        wanted = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and wanted in (int, float, int | None, float | None):
            raise ValueError("write a number")
        return value


class EngineSection(Section):
    """The settings of one engine: a key of ``warehouse`` with such a section makes one known.

    Attributes
    ----------
    title
        What messages call the engine.
    landing_in
        Where its landing has to be; ``None`` for an engine that reads none.
    """

    title: ClassVar[str]
    landing_in: ClassVar[Literal["folder", "s3"] | None] = None


LATEST = "latest"
"""The ``as_of`` that means the moment of the newest event received."""

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
"""Days that are believed, of folders and as-of dates. No event was sent beyond them, and libraries
that count nanoseconds from 1970 come to an end in 1677 and 2262."""

Share = Annotated[float, Field(ge=0, le=1)]
Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
ColumnType = Literal["bigint", "double", "boolean", "string", "timestamp"]

S3_ADDRESS = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$"


def named_once(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a name that a list holds twice; for validators."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)}: named twice")
    return names
