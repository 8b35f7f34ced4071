"""Planned calls, written exactly as they would be sent: ``runs/<id>/requests/<topic>/``.

Every call is checked against its service's model first. A call whose body has people in it is not
written as it is: its file has one sample with every value of a person masked, and says how many
people there are and in which export, by name and sha256, they are found.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
from botocore.model import ListShape, MapShape, Shape, StructureShape

from engagement import owner_only as private
from engagement.aws import service_model
from engagement.aws.service_model import Later, RequestError
from engagement.privacy import masked

HIDDEN = "…"
"""What stands for a value of a person."""


@dataclass(frozen=True)
class People:
    """The people in the bodies of calls: how many, and the export that has them.

    ``file`` is the export's name, without folders; ``calls`` says by how many calls they are sent.
    """

    count: int
    file: str
    sha256: str
    calls: int = 1


@dataclass(frozen=True)
class Call:
    """A call to an AWS service as boto3 takes it.

    Parameters
    ----------
    service, operation
        By boto3's and the model's names: ``customer-profiles``, ``CreateDomain``.
    parameters
        Of the call; of the first one where ``people`` stands for several alike. What only an
        earlier answer gives is a :class:`~engagement.aws.service_model.Later`.
    why
        One short sentence: what the call is for.
    people
        Where the call's body has people in it: members that the service's model calls sensitive
        are masked then, and of lists only the first item is shown.
    hidden
        Further members to mask then, by name, which the model does not call sensitive.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]
    why: str = ""
    people: People | None = None
    hidden: tuple[str, ...] = ()

    def problems(self) -> list[str]:
        """What the service would refuse of it."""
        return service_model.problems(self.service, self.operation, self.parameters)

    def document(self) -> dict[str, Any]:
        """The call as its file has it."""
        shape = service_model.operation(self.service, self.operation).input_shape
        writer = _Writer(frozenset(self.hidden) if self.people else None)
        parameters = writer.written(shape, self.parameters) if shape else {}
        return {
            "service": self.service,
            "operation": self.operation,
            "why": self.why,
            "parameters": parameters,
            **_people(self.people),
        }


@dataclass(frozen=True)
class Upload:
    """A file sent by HTTP to an address that an earlier answer gives.

    Headers are written as given: those that carry keys have to be
    :class:`~engagement.aws.service_model.Later`.
    """

    name: str
    url: Later
    people: People
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "PUT"
    why: str = ""

    @property
    def service(self) -> str:
        """What stands in the place of a service's name."""
        return "https"

    @property
    def operation(self) -> str:
        """What stands in the place of an operation's name."""
        return f"{self.method}{self.name}"

    def problems(self) -> list[str]:
        """Nothing: no model describes an upload."""
        return []

    def document(self) -> dict[str, Any]:
        """The upload as its file has it."""
        return {
            "service": self.service,
            "operation": self.operation,
            "why": self.why,
            "method": self.method,
            "url": str(self.url),
            "headers": dict(self.headers),
            **_people(self.people),
        }


Planned = Call | Upload


def check(calls: Iterable[Planned]) -> None:
    """Refuse calls that their services would refuse.

    Raises
    ------
    RequestError
        With every mistake of every call.
    """
    found = [
        f"{call.service}.{call.operation}: {problem}"
        for call in calls
        for problem in call.problems()
    ]
    if found:
        raise RequestError("the planned calls", found)


def write(folder: Path, topic: str, calls: Sequence[Planned]) -> list[Path]:
    """Write calls in their order to ``<folder>/<topic>/001-<service>-<operation>.json``.

    The same calls give the same bytes; files of an earlier plan of this topic are removed.

    Parameters
    ----------
    folder
        ``requests`` in the run's folder.

    Raises
    ------
    RequestError
        When a service would refuse one of them; nothing is written then.
    """
    check(calls)
    place = private.folder(folder / topic)
    written = []
    for number, call in enumerate(calls, start=1):
        path = place / f"{number:03d}-{call.service}-{call.operation}.json"
        text = json.dumps(call.document(), ensure_ascii=False, indent=2, allow_nan=False)
        private.replace(path, text + "\n")
        written.append(path)
    for path in sorted(place.iterdir()):
        if _MINE.fullmatch(path.name) and path not in written:
            path.unlink()
    return written


_MINE = re.compile(r"\d{3,}-[a-z0-9-]+-[A-Za-z0-9]+\.json")


def frame(calls: Iterable[Planned]) -> pd.DataFrame:
    """Calls as a table, in their order: what is called, what for, and how many people are in it."""
    rows = [
        (
            number,
            call.service,
            call.operation,
            call.why,
            call.people.calls if call.people else 1,
            call.people.count if call.people else 0,
        )
        for number, call in enumerate(calls, start=1)
    ]
    return pd.DataFrame(rows, columns=["step", "service", "operation", "why", "calls", "people"])


def _people(people: People | None) -> dict[str, Any]:
    if people is None:
        return {}
    return {
        "people": {
            "count": people.count,
            "file": people.file,
            "sha256": people.sha256,
            "calls": people.calls,
            "shown": "one sample, masked",
        }
    }


# --- values as they are written -------------------------------------------------------------------


class _Writer:
    """Writes a call's parameters; of calls with people a sample, with their values hidden.

    Parameters
    ----------
    hidden
        Members to hide besides the sensitive ones; ``None`` for a call without people.
    """

    def __init__(self, hidden: frozenset[str] | None) -> None:
        self._hidden = hidden

    def written(self, shape: Shape, value: Any, name: str = "") -> Any:
        hide = self._hidden is not None
        if self._hidden is not None and (shape.metadata.get("sensitive") or name in self._hidden):
            return _hidden(value)
        if isinstance(shape, StructureShape) and isinstance(value, Mapping):
            return {
                key: self.written(shape.members[key], item, key)
                for key, item in value.items()
                if key in shape.members
            }
        if isinstance(shape, ListShape) and isinstance(value, (list, tuple)):
            return [self.written(shape.member, item) for item in (value[:1] if hide else value)]
        if isinstance(shape, MapShape) and isinstance(value, Mapping):
            return {key: self.written(shape.value, item) for key, item in value.items()}
        return _plain(value)


def _hidden(value: Any) -> Any:
    """A value with its keys, and nothing else of it; of a JSON text the same."""
    if isinstance(value, Later):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _hidden(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(item) for item in value[:1]]
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.dumps(_hidden(json.loads(value)), ensure_ascii=False)
        except ValueError:
            return HIDDEN
    return HIDDEN


def _plain(value: Any) -> Any:
    """A value as JSON has it; an address or a token that strayed into it is masked."""
    match value:
        case Later() | bool() | int() | float() | None:
            return str(value) if isinstance(value, Later) else value
        case str():
            return masked(value)
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return float(value)
        case bytes() | bytearray():
            return {"base64": base64.b64encode(bytes(value)).decode("ascii")}
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    raise TypeError(f"a {type(value).__name__} cannot be part of a call")
