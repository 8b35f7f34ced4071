"""What a segment or an export reports when it cannot be made."""

from __future__ import annotations

from collections.abc import Sequence

from engagement.errors import WrongInputError


class AudienceError(WrongInputError):
    """A segment or an export that cannot be made, with every mistake found.

    Attributes
    ----------
    problems
        One sentence per mistake.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = list(problems)
        count = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{count} in {source}:\n{lines}")
