"""What a fake of a service is made of: state, steps that take some polls, scripted endings."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from tests.fakes.wire import Answer, Request

Parameters = dict[str, Any]


class ServiceError(Exception):
    """What a fake raises to answer with an error of the service."""

    def __init__(self, code: str, message: str = "") -> None:
        self.code, self.message = code, message or code
        super().__init__(f"{code}: {self.message}")


@dataclass(frozen=True)
class Ending:
    """How something that takes a while ends.

    ``state`` is the service's own word for it; ``details`` is for the fake that makes the answers
    (a reason, how many records failed). ``polls`` overrides how many it takes.
    """

    state: str
    details: Parameters = field(default_factory=dict)
    polls: int | None = None


NEVER = Ending("", polls=10**9)
"""It stays in its last state before the end for ever."""


@dataclass
class Progress:
    """States that something goes through, one further with every ``polls`` looks.

    The last of ``states`` is where it stays until then; afterwards it is ``ending.state``.
    """

    states: Sequence[str]
    ending: Ending
    polls: int = 1
    looks: int = -1

    @property
    def state(self) -> str:
        """Where the latest look found it."""
        polls = self.polls if self.ending.polls is None else self.ending.polls
        done = max(self.looks, 0) // polls if polls else len(self.states)
        return self.states[done] if done < len(self.states) else self.ending.state

    @property
    def ended(self) -> bool:
        """Whether it is in its last state."""
        return self.state == self.ending.state

    def look(self) -> str:
        """Where it is now; the next look may find it further on."""
        self.looks += 1
        return self.state

    def finish(self) -> None:
        """Let it end now."""
        self.looks = max(self.looks, 10**12)


class Fake:
    """One service. A subclass has a method per operation, named as boto3's.

    A method takes the request as boto3's caller gave it, already checked against the service's
    model, and returns what boto3's caller will see, which is checked too; it may raise
    :class:`ServiceError`. An operation without a method answers 501, so that a test notices.
    Calls come one at a time.

    Attributes
    ----------
    service
        boto3's name of the service.
    polls
        How many looks a step takes; tests may set it.
    bad_request
        The code by which the service refuses a request that its model does not allow.
    throttled
        The code by which the service says that calls come too fast.
    """

    service: ClassVar[str]
    bad_request: ClassVar[str] = "ValidationException"
    throttled: ClassVar[str] = "ThrottlingException"

    def __init__(self) -> None:
        self.polls = 1
        self.url = ""
        self._endings: dict[str, deque[Ending]] = defaultdict(deque)
        self._numbers: dict[str, int] = defaultdict(int)
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC).replace(microsecond=0)

    def script(self, kind: str, *endings: Ending | str) -> None:
        """Say how the next things of a kind (``"upload job"``) end; later ones end well."""
        self._endings[kind] += [Ending(e) if isinstance(e, str) else e for e in endings]

    def begin(self, kind: str, states: Sequence[str], well: str) -> Progress:
        """Something that takes a while begins: through ``states``, to ``well`` unless scripted."""
        endings = self._endings[kind]
        return Progress(states, endings.popleft() if endings else Ending(well), self.polls)

    def number(self, kind: str) -> int:
        """1, 2, 3 … for each kind: ids are the same in every run of a test."""
        self._numbers[kind] += 1
        return self._numbers[kind]

    def raw(self, request: Request) -> Answer | None:
        """Answer what is no operation: a presigned address under ``self.url``. None: not mine."""
        del request
        return None
