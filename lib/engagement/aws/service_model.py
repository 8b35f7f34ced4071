"""Whether a call keeps to the service's own model, which botocore ships.

botocore itself checks types, required members and minima before it sends a call; enums, patterns
and maxima are left to the service. Here all of them are checked, so that a planned call that passes
is one that the service can read, and the fakes in the tests refuse what it would refuse.

Values are never repeated in a message: they may be people's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import regex
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from engagement.errors import WrongInputError
from engagement.messages import counted, nearest
from engagement.privacy import masked


class RequestError(WrongInputError, ValueError):
    """Calls that their services would refuse.

    Attributes
    ----------
    problems
        One sentence per mistake, each starting with where it is: ``Fields.email.ContentType: …``.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = list(problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{counted(len(self.problems), 'mistake')} in {source}:\n{lines}")


class Later(str):
    """A value that only an earlier call's answer gives: a planned call has this in its place.

    It passes every check of the model, and reads as what it stands for.

    Examples
    --------
    >>> Later("JobId of CreateUploadJob")
    '<JobId of CreateUploadJob>'
    """

    __slots__ = ()

    def __new__(cls, what: str) -> Later:
        """What it stands for, such as ``JobId of CreateUploadJob``."""
        return super().__new__(cls, f"<{what}>")


@lru_cache(maxsize=32)
def model(service: str) -> ServiceModel:
    """The model of a service, by boto3's name for it: ``customer-profiles``.

    Raises
    ------
    botocore.exceptions.UnknownServiceError
        When botocore has no such service.
    """
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def operation(service: str, name: str) -> OperationModel:
    """An operation of a service, by the model's name (``CreateDomain``) or boto3's method's.

    Raises
    ------
    RequestError
        When the service has none of this name.
    """
    found = model(service)
    names = _names(service)
    own = names.get(name)
    if own is None:
        hint = nearest(name, names)
        raise RequestError(f"the call {service}.{name}", [f"there is no such operation{hint}"])
    return found.operation_model(own)


@lru_cache(maxsize=32)
def _names(service: str) -> dict[str, str]:
    names = model(service).operation_names
    return {**{xform_name(name): name for name in names}, **{name: name for name in names}}


def method(service: str, name: str) -> str:
    """boto3's method of an operation: ``create_domain``."""
    return xform_name(operation(service, name).name)


def problems(service: str, name: str, parameters: Mapping[str, Any]) -> list[str]:
    """What the service would refuse of a call, as boto3 takes its parameters.

    Parameters
    ----------
    name
        The operation: ``CreateDomain`` or ``create_domain``.
    parameters
        As for boto3's method. Tokens that make a call idempotent may be left out where botocore
        fills them in. Values may be :class:`Later`.

    Returns
    -------
    list of str
        One sentence per mistake; empty if there is none.
    """
    shape = operation(service, name).input_shape
    if shape is None:
        return [f"{key}: the call takes no parameters" for key in parameters]
    return list(shape_problems(shape, parameters))


def check(service: str, name: str, parameters: Mapping[str, Any]) -> None:
    """Refuse a call that the service would refuse.

    Raises
    ------
    RequestError
        With every mistake.
    """
    found = problems(service, name, parameters)
    if found:
        raise RequestError(f"the call {service}.{operation(service, name).name}", found)


def shape_problems(
    shape: Shape, value: Any, where: str = "", *, tokens_filled: bool = True
) -> Iterator[str]:
    """What is wrong with a value of any shape; :func:`problems` for parts of a call and answers.

    Parameters
    ----------
    where
        What the value is called, as the sentences' beginning.
    tokens_filled
        Whether a required token of idempotency may be missing, because botocore fills it in.
    """
    if isinstance(value, Later):
        return
    wanted = _TYPES.get(shape.type_name)
    if wanted is not None and not shape.metadata.get("document"):
        kinds, words = wanted
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            yield f"{where or 'the value'}: has to be {words}"
            return
        yield from (f"{where}: {problem}" for problem in _unfit(shape, value))
    if isinstance(shape, StructureShape) and not shape.metadata.get("document"):
        yield from _members(shape, value, where, tokens_filled)
    elif isinstance(shape, ListShape):
        for place, item in enumerate(value):
            yield from shape_problems(
                shape.member, item, f"{where}[{place}]", tokens_filled=tokens_filled
            )
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            inner = f"{where}.{masked(str(key))}"
            yield from (
                problem.replace(": ", ": as a key, ", 1)
                for problem in shape_problems(shape.key, key, inner)
            )
            yield from shape_problems(shape.value, item, inner, tokens_filled=tokens_filled)


_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "structure": ((Mapping,), "keys with values"),
    "map": ((Mapping,), "keys with values"),
    "list": ((list, tuple), "a list"),
    "string": ((str,), "a text"),
    "character": ((str,), "a text"),
    "boolean": ((bool,), "true or false"),
    "integer": ((int,), "a whole number"),
    "long": ((int,), "a whole number"),
    "float": ((int, float, Decimal), "a number"),
    "double": ((int, float, Decimal), "a number"),
    "blob": ((bytes, bytearray), "bytes"),
    "timestamp": ((datetime, date, int, float, str), "a moment"),
}


def _members(
    shape: StructureShape, value: Mapping[str, Any], where: str, tokens_filled: bool
) -> Iterator[str]:
    before = f"{where}." if where else ""
    given = {key: item for key, item in value.items() if item is not None}
    for key in value:
        if key not in shape.members:
            hint = nearest(key, shape.members)
            yield f"{before}{masked(str(key))}: there is no such member{hint}"
        elif key not in given:
            yield f"{before}{key}: is nothing; leave it out"
    for key in shape.required_members:
        filled = tokens_filled and shape.members[key].metadata.get("idempotencyToken")
        if key not in value and not filled:
            yield f"{before}{key}: is missing"
    if shape.metadata.get("union") and len(given) != 1:
        yield f"{where or 'the value'}: has to have exactly one of {', '.join(shape.members)}"
    for key, item in given.items():
        if key in shape.members:
            yield from shape_problems(
                shape.members[key], item, f"{before}{key}", tokens_filled=tokens_filled
            )


def _unfit(shape: Shape, value: Any) -> Iterator[str]:
    """What is wrong with a value of the right type."""
    rules = shape.metadata
    if shape.type_name in {"string", "list", "map", "blob"}:
        size, unit = len(value), _UNITS[shape.type_name]
        if size < rules.get("min", 0):
            yield f"has {counted(size, *unit)}, needs at least {rules['min']:,}"
        if size > rules.get("max", size):
            yield f"has {counted(size, *unit)}, may have at most {rules['max']:,}"
    elif shape.type_name in {"integer", "long", "float", "double"}:
        if value < rules.get("min", value):
            yield f"is less than {rules['min']:,}"
        if value > rules.get("max", value):
            yield f"is more than {rules['max']:,}"
    if isinstance(value, str) and shape.type_name == "string":
        allowed = rules.get("enum")
        if allowed and value not in allowed:
            yield f"is none of {_listed(allowed)}"
        pattern = _pattern(rules.get("pattern", ""))
        if pattern and not pattern.fullmatch(value):
            yield f"is not of the form {rules['pattern']}"


_UNITS = {
    "string": ("character",),
    "list": ("item",),
    "map": ("key",),
    "blob": ("byte",),
}


def _listed(allowed: Iterable[str]) -> str:
    names = list(allowed)
    return ", ".join(names) if len(names) <= 20 else f"{', '.join(names[:20])}, …"


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> regex.Pattern[str] | None:
    """A pattern of a model: Java's, and about the whole text; None where there is none.

    A few services (Athena) have patterns of halves of UTF-16's pairs, which say nothing here.
    """
    if not pattern or "\\ud8" in pattern.lower():
        return None
    return regex.compile(re.sub(r"\[\\w- ", r"[\\w\\- ", pattern))
