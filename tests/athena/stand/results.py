"""Rows as Athena gives them back: every value as text, with Athena's own names of types."""

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

Signature = Mapping[str, Any]

_NAMES = {"real": "float"}
_PRECISIONS = {
    "boolean": 0,
    "tinyint": 3,
    "smallint": 5,
    "integer": 10,
    "bigint": 19,
    "float": 17,
    "double": 17,
    "date": 0,
    "timestamp": 3,
    "timestamp with time zone": 3,
    "time": 3,
    "varbinary": 1073741824,
    "varchar": 2147483647,
    "json": 2147483647,
}
_CASE_SENSITIVE = {"varchar", "char", "json"}


@dataclass(frozen=True)
class Column:
    """A column of a result.

    Attributes
    ----------
    name : str
        Its name.
    signature : mapping
        Its type, as Trino's protocol describes it.
    """

    name: str
    signature: Signature

    @property
    def athena_type(self) -> str:
        """Athena's name of the type, without its parameters."""
        raw = str(self.signature["rawType"])
        return _NAMES.get(raw, raw)

    def column_info(self) -> dict[str, Any]:
        """Describe the column as ``GetQueryResults`` does."""
        name = self.athena_type
        precision, scale = _PRECISIONS.get(name, 0), 0
        if name == "decimal":
            precision, scale = (int(argument["value"]) for argument in self.signature["arguments"])
        elif name == "char":
            precision = int(self.signature["arguments"][0]["value"])
        return {
            "CatalogName": "hive",
            "SchemaName": "",
            "TableName": "",
            "Name": self.name,
            "Label": self.name,
            "Type": name,
            "Precision": precision,
            "Scale": scale,
            "Nullable": "UNKNOWN",
            "CaseSensitive": name in _CASE_SENSITIVE,
        }


def plain_column(name: str, type_name: str) -> Column:
    """Make a column of a type without parameters."""
    return Column(name, {"rawType": type_name, "arguments": []})


def rows_as_text(
    rows: Sequence[Sequence[Any]], columns: Sequence[Column]
) -> list[tuple[str | None, ...]]:
    """Turn rows of Trino's protocol into Athena's texts; NULL stays None."""
    if not rows:
        return []
    texts = []
    for values, column in zip(zip(*rows, strict=True), columns, strict=True):
        write = _WRITERS.get(column.signature["rawType"])
        if write is None:
            write = partial(value_as_text, signature=column.signature)
        texts.append([None if value is None else write(value) for value in values])
    return list(zip(*texts, strict=True))


def value_as_text(value: Any, signature: Signature) -> str:
    """Write one value of Trino's protocol as Athena does.

    Arrays, maps and rows have Athena's own form, in which texts are not quoted.
    """
    if value is None:
        return "null"
    raw = signature["rawType"]
    arguments = [argument["value"] for argument in signature.get("arguments", [])]
    if raw == "boolean":
        return "true" if value else "false"
    if raw in ("double", "real"):
        return double_as_text(value)
    if raw == "varbinary":
        return base64.b64decode(value).hex(" ")
    if raw == "array":
        return "[" + ", ".join(value_as_text(item, arguments[0]) for item in value) + "]"
    if raw == "map":
        entries = (
            f"{value_as_text(key, arguments[0])}={value_as_text(item, arguments[1])}"
            for key, item in value.items()
        )
        return "{" + ", ".join(entries) + "}"
    if raw == "row":
        return "{" + ", ".join(_row_entries(value, arguments)) + "}"
    return value if isinstance(value, str) else json.dumps(value)


def double_as_text(value: float | str) -> str:
    """Write a double as Java does: ``1.0``, ``1.0E10``, ``NaN``, ``Infinity``."""
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        text = repr(number)
        return text if "e" not in text else f"{number:f}"
    mantissa, exponent = _scientific(number)
    return f"{mantissa}E{exponent}"


_WRITERS: Mapping[str, Callable[[Any], str]] = {
    **dict.fromkeys(("varchar", "date", "timestamp", "decimal"), str),
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint"), str),
    "boolean": lambda value: "true" if value else "false",
    "double": double_as_text,
}
"""Quicker ways for most values: they are millions."""


def as_csv(columns: Sequence[Column], rows: Sequence[Sequence[str | None]]) -> bytes:
    """Write a result as Athena's result file: all quoted, NULL as nothing at all."""
    lines = [[column.name for column in columns], *rows]
    return "".join(
        ",".join("" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in line)
        + "\n"
        for line in lines
    ).encode()


def as_lines(rows: Sequence[Sequence[str | None]]) -> bytes:
    """Write the answer of a DDL or utility statement as Athena's result file."""
    return "".join("\t".join(cell or "" for cell in row) + "\n" for row in rows).encode()


def _row_entries(values: Sequence[Any], fields: Sequence[Mapping[str, Any]]) -> list[str]:
    entries = []
    for position, (value, named) in enumerate(zip(values, fields, strict=True)):
        name = (named.get("fieldName") or {}).get("name") or f"field{position}"
        entries.append(f"{name}={value_as_text(value, named['typeSignature'])}")
    return entries


def _scientific(number: float) -> tuple[str, int]:
    """Return the shortest digits of a double as a mantissa with a point, and the exponent."""
    digits, exponent = f"{float(repr(number)):.17e}".split("e")
    for places in range(1, 18):
        candidate = f"{number:.{places}e}"
        if float(candidate) == number:
            digits, exponent = candidate.split("e")
            break
    return digits, int(exponent)
