"""YAML read strictly: a key given twice, a bomb of aliases and a tag are refused."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import yaml

from engagement.settings.section import SettingsError

_YAML_PROBLEMS = (
    ("mapping values are not allowed", "a ':' cannot be here: put the text in quotes"),
    ("that cannot start any token", "this sign cannot be here: put the text in quotes; no tabs"),
    ("could not determine a constructor", "values with a tag ('!…') are not read"),
    ("expected <block end>", "this does not fit the lines above: check the indentation"),
    ("expected ',' or", "a list or a group of keys is not closed: is a ',' or a bracket missing?"),
    ("did not find expected ',' or", "a list or a group of keys is not closed"),
    ("unexpected end of stream", "a quote is not closed"),
    ("expected the node content", "a value is missing here"),
    ("could not find expected ':'", "a ':' is missing after a key"),
    ("another document", "the file holds several documents, divided by '---': write one"),
    ("undefined alias", "an alias ('*…') is used that no anchor ('&…') gives"),
    ("unhashable key", "a key has to be a text"),
    ("recursive", "a value holds itself"),
)  # fmt: skip
"""What the reader of YAML says, and what it means for who wrote the file."""


def _yaml_problem(error: yaml.YAMLError) -> str:
    said = " ".join(
        str(part)
        for part in (getattr(error, "context", None), getattr(error, "problem", None))
        if part
    )
    for theirs, ours in _YAML_PROBLEMS:
        if theirs in said:
            return ours
    return str(getattr(error, "problem", None) or "it is not YAML")


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice, where the plain loader silently keeps the last.

    Dates stay text, which the settings read: what is passed on to notebooks has to be JSON.
    """


class _QuickLoader(yaml.CSafeLoader):
    """The same by libyaml: ten times as fast, but it places a mistake less well."""


def _strict_mapping(loader: _StrictLoader | _QuickLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(
                None, None, "a key has to be a text", key_node.start_mark
            )
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{key}' is given twice", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


for _loader in (_StrictLoader, _QuickLoader):
    _loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    _loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _strict_mapping)


_DEEPEST = 50
_MOST_NODES = 200_000


def _too_much(text: str) -> str:
    """Why a YAML text is not read although it may be valid; empty for one that is.

    A few lines may stand for billions of values, by aliases of lists of aliases, and brackets
    within brackets exhaust the parser. What is no YAML is left to the parser to say.
    """
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = [(None, 0)]

    def close(anchor: str | None, size: int) -> None:
        if anchor is not None:
            sizes[anchor] = size
        above, so_far = open_[-1]
        open_[-1] = (above, so_far + size)

    try:
        for event in yaml.parse(text, Loader=_QuickLoader):
            match event:
                case yaml.CollectionStartEvent():
                    open_.append((event.anchor, 1))
                case yaml.CollectionEndEvent():
                    anchor, size = open_.pop()
                    close(anchor, size)
                case yaml.ScalarEvent():
                    close(event.anchor, 1)
                case yaml.AliasEvent():
                    close(None, sizes.get(str(event.anchor), 1))
            mark = event.start_mark
            where = f"line {mark.line + 1}" if mark else "somewhere"
            if len(open_) > _DEEPEST:
                return f"{where}: nested more than {_DEEPEST} levels deep"
            if open_[-1][1] > _MOST_NODES:
                return f"{where}: its aliases stand for more than {_MOST_NODES:,} values"
    except yaml.YAMLError:
        return ""
    return ""


def read_value(text: str) -> Any:
    """Read one value, such as that of a command line's override.

    Raises
    ------
    ValueError
        When it cannot be read, with why.
    """
    too_much = _too_much(text)
    if too_much:
        raise ValueError(too_much)
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"the value cannot be read ({_yaml_problem(error)})") from None


def read_yaml(path: Path) -> Any:
    """Read a YAML file, refusing keys given twice.

    Raises
    ------
    SettingsError
        When the file is missing, unreadable or not YAML, with the line where it stops being it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(str(path), ["there is no such file"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), [f"the file cannot be read ({error})"]) from None
    too_much = _too_much(text)
    if too_much:
        raise SettingsError(str(path), [too_much])
    with contextlib.suppress(yaml.YAMLError):
        return yaml.load(text, Loader=_QuickLoader)  # noqa: S506 (a SafeLoader)
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise SettingsError(str(path), [f"{where}: {_yaml_problem(error)}"]) from None
    except yaml.YAMLError as error:
        raise SettingsError(
            str(path), [f"the file is not valid YAML ({str(error).splitlines()[0]})"]
        ) from None
