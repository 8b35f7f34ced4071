"""A parameter file read, overridden and validated, every mistake reported at once."""

from __future__ import annotations

import copy
import difflib
import os
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from engagement.messages import explained
from engagement.settings.root import Settings
from engagement.settings.section import ROOT, SettingsError
from engagement.settings.yaml_files import read_value, read_yaml

DEFAULT_PARAMS = "params/local.yaml"
PARAMS_VARIABLE = "ENGAGEMENT_PARAMS"


def load_settings(
    params: str | Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read, override and validate a parameter file.

    Parameters
    ----------
    params
        The YAML file. Empty: the file that ``ENGAGEMENT_PARAMS`` names, else
        ``params/local.yaml``. Relative paths are tried from the project's folder first, then
        from the working directory.
    overrides
        Dotted keys and their values, such as ``{"sessions.gap_minutes": 20}``.

    Raises
    ------
    SettingsError
        With every mistake of the file and of the overrides.
    """
    name = str(params or os.environ.get(PARAMS_VARIABLE) or DEFAULT_PARAMS)
    document, problems = _read(name)
    if overrides is not None and not isinstance(overrides, Mapping):
        problem = "overrides: write dotted keys and their values, such as {'timezone': 'UTC'}"
        raise SettingsError(name, [f"{problem} (given: {overrides!r})"])
    for key, value in (overrides or {}).items():
        problem = _put(document, str(key), copy.deepcopy(value))
        if problem:
            problems.append(problem)
    problems += _read_plan(document)
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        problems.extend(explained(error, _unknown, _WRITE))
        raise SettingsError(name, problems) from None
    if problems:
        raise SettingsError(name, problems)
    return settings


def _read_plan(document: dict[str, Any]) -> list[str]:
    """Put the tracking plan of a file in the place of the file's path; says what is wrong with it.

    An event that has no properties may be written without any.
    """
    plan = document.get("tracking_plan")
    problems: list[str] = []
    if isinstance(plan, str):
        path = ROOT / plan if (ROOT / plan).exists() else Path(plan)
        try:
            plan = read_yaml(path)
        except SettingsError as error:
            problems = [f"tracking_plan: {path}: {problem}" for problem in error.problems]
            plan = {}
        if plan is not None and not isinstance(plan, dict):
            problems = [f"tracking_plan: {path}: write the events' names with their properties"]
            plan = {}
    if isinstance(plan, dict):
        plan = {event: {} if found is None else found for event, found in plan.items()}
    if "tracking_plan" in document:
        document["tracking_plan"] = plan or {}
    return problems


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``key=value`` of a command line; the value is read as YAML.

    Raises
    ------
    SettingsError
        When there is no ``=``, or the value is not YAML.
    """
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise SettingsError(
            "--set", [f"{text}: write it as key=value, for example as_of=2026-10-31"]
        )
    try:
        return key.strip(), read_value(value)
    except ValueError as error:
        raise SettingsError("--set", [f"{text}: {error}"]) from None


def _read(name: str) -> tuple[dict[str, Any], list[str]]:
    path = ROOT / name if (ROOT / name).exists() else Path(name)
    document = read_yaml(path)
    if document is None:
        return {}, []
    if not isinstance(document, dict):
        return {}, ["the file holds no keys with values, such as 'timezone: UTC'"]
    return document, []


def _put(document: dict[str, Any], dotted: str, value: Any) -> str | None:
    *parents, last = dotted.split(".")
    here = document
    for depth, part in enumerate(parents):
        inner = here.setdefault(part, {})
        if inner is None:
            inner = here[part] = {}
        if not isinstance(inner, dict):
            return f"{dotted}: '{'.'.join(parents[: depth + 1])}' is a value, not a section"
        here = inner
    here[last] = value
    return None


_ARN = "the ARN of a resource: arn:aws:…"
_WRITE = {
    "activation.customer_profiles.region": "an AWS region such as eu-central-1",
    "activation.customer_profiles.domain": "a name of letters, digits, '-' and '_', 64 at most",
    "activation.campaign.instance": _ARN,
    "activation.campaign.flow": _ARN,
    "activation.campaign.template": _ARN,
    "activation.campaign.phone_number": _ARN,
    "activation.campaign.from_address": "an e-mail address",
    "activation.campaign.open_hours.from": "a time of day such as 09:00",
    "activation.campaign.open_hours.to": "a time of day such as 20:00",
    "warehouse.duckdb.memory_limit": "a size such as 4GB",
    "warehouse.athena.region": "an AWS region such as eu-central-1",
    "warehouse.athena.workgroup": "a workgroup's name: letters, digits, dots, '-' and '_'",
    "warehouse.athena.data_location": "an address such as s3://bucket/folder",
    "warehouse.athena.output_location": "an address such as s3://bucket/folder",
    "warehouse.athena.storage_database": "a name of small letters, digits and '_'",
    "warehouse.databases.landing": "a name of small letters, digits and '_'",
    "warehouse.databases.events": "a name of small letters, digits and '_'",
    "warehouse.databases.marts": "a name of small letters, digits and '_'",
    "currency.reporting": "a currency code such as EUR",
    "project": "a name of small letters, digits and '-'",
}
"""What to write where a text has to have some form, by key."""


def _unknown(key: str) -> str:
    known = list(known_keys())
    if key in known:
        return f"{key}: write '{key.rpartition('.')[2]}' below '{key.rpartition('.')[0]}:'"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    if not near:
        last = key.rpartition(".")[2]
        near = [other for other in known if other.rpartition(".")[2] == last][:1]
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"{key}: there is no such key{hint}"


def known_keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Every key a parameter file may hold, dotted, sections included."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        yield key
        inner = _section(field.annotation)
        if inner is not None:
            yield from known_keys(inner, key + ".")


def _section(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            if (inner := _section(part)) is not None:
                return inner
    return None
