"""What Amazon Personalize asks of files, checked by a reader of its own.

Written from the rules, without a line of the code that writes the files: it parses the CSV sign by
sign and judges schemas, headers, values, lengths and minimums.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

REQUIRED = {
    "Interactions": {"USER_ID": "string", "ITEM_ID": "string", "TIMESTAMP": "long",
                     "EVENT_TYPE": "string"},
    "Items": {"ITEM_ID": "string", "PRICE": "float", "CATEGORY_L1": "string"},
    "Users": {"USER_ID": "string"},
}  # fmt: skip
REQUIRED_OF_CUSTOM = {
    "Interactions": {"USER_ID": "string", "ITEM_ID": "string", "TIMESTAMP": "long"},
    "Items": {"ITEM_ID": "string"},
    "Users": {"USER_ID": "string"},
    "Actions": {"ACTION_ID": "string"},
    "ActionInteractions": {"USER_ID": "string", "ACTION_ID": "string", "TIMESTAMP": "long",
                           "EVENT_TYPE": "string"},
}  # fmt: skip
FILES = {
    "interactions": "Interactions",
    "items": "Items",
    "users": "Users",
    "actions": "Actions",
    "action_interactions": "ActionInteractions",
}
KEYS = {"USER_ID", "ITEM_ID", "ACTION_ID", "EVENT_TYPE"}
MOST_FIELDS = {"Items": 100, "Users": 25}


def cells(line: str) -> list[str]:
    """The cells of a line: quotation marks around, a backslash before what is meant literally."""
    found, cell, quoted, place = [], "", False, 0
    while place < len(line):
        sign = line[place]
        if sign == "\\":
            place += 1
            cell += line[place]
        elif sign == '"':
            quoted = not quoted
        elif sign == "," and not quoted:
            found.append(cell)
            cell = ""
        else:
            cell += sign
        place += 1
    assert not quoted, f"a quotation mark is never closed: {line}"
    return [*found, cell]


def kinds(field: dict[str, Any]) -> tuple[str, bool]:
    """Type and whether it may be missing."""
    given = field["type"]
    if isinstance(given, list):
        assert len(given) == 2, field
        assert given[0] == "null", field
        return given[1], True
    return given, False


def schema_problems(document: dict[str, Any], domain: str) -> list[str]:
    problems = []
    name = document["name"]
    if document["type"] != "record" or document["version"] != "1.0":
        problems.append("it is no record of version 1.0")
    if document["namespace"] != "com.amazonaws.personalize.schema":
        problems.append("its namespace is not the service's")
    fields = {field["name"]: field for field in document["fields"]}
    if len(fields) != len(document["fields"]):
        problems.append("a field is there twice")
    required = (REQUIRED if domain == "ECOMMERCE" else REQUIRED_OF_CUSTOM)[name]
    for field, kind in required.items():
        if field not in fields:
            problems.append(f"{field} is missing")
        elif kinds(fields[field]) != (kind, False):
            problems.append(f"{field} is not a {kind} that is always there")
    if name in ("Items", "Users", "Actions") and len(fields) < 2:
        problems.append("there is no field but the id")
    if len(fields) > MOST_FIELDS.get(name, 100):
        problems.append("there are too many fields")
    for field in document["fields"]:
        kind, _ = kinds(field)
        if kind not in ("string", "int", "long", "float", "double", "boolean"):
            problems.append(f"{field['name']}: no schema knows {kind}")
        plain = field["name"] in (*KEYS, "IMPRESSION", "RECOMMENDATION_ID")
        marked = field.get("categorical") is True or field.get("textual") is True
        if kind == "string" and plain == marked:
            problems.append(f"{field['name']} has to be categorical or textual, or is reserved")
        if field.get("textual") and name != "Items":
            problems.append(f"{field['name']}: only items have texts")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", field["name"]):
            problems.append(f"{field['name']} is no name")
    if name == "Interactions":
        metadata = set(fields) - {"USER_ID", "ITEM_ID", "TIMESTAMP", "IMPRESSION",
                                  "RECOMMENDATION_ID"}  # fmt: skip
        if len(metadata) > 10:
            problems.append("there are too many fields")
    return problems


def value_problem(text: str, field: dict[str, Any]) -> str | None:
    kind, optional = kinds(field)
    name = field["name"]
    if text == "":
        return None if optional else f"{name} is missing"
    if kind == "string":
        most = 256
        if field.get("categorical") or name == "IMPRESSION":
            most = 1_000
        elif field.get("textual"):
            most = 20_000
        elif name == "RECOMMENDATION_ID":
            most = 40
        if len(text) > most:
            return f"{name} is longer than {most}"
        if any(ord(sign) < 32 for sign in text):
            return f"{name} holds a control character"
        if name == "IMPRESSION" and len(text.split("|")) > 25:
            return f"{name} holds more than 25 items"
        return None
    if kind in ("int", "long"):
        if not re.fullmatch(r"-?[0-9]+", text):
            return f"{name} is no whole number: {text}"
        if name in ("TIMESTAMP", "CREATION_TIMESTAMP") and not 0 < int(text) < 10**10:
            return f"{name} is not in seconds since 1970: {text}"
        bits = 31 if kind == "int" else 63
        return None if -(2**bits) <= int(text) < 2**bits else f"{name} is out of range"
    if kind == "boolean":
        return None if text in ("true", "false") else f"{name} is no boolean: {text}"
    return None if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?", text) else f"{name}: {text}"


def rows_of(folder: Path, name: str, header: list[str]) -> tuple[list[dict[str, str]], list[str]]:
    rows, problems = [], []
    paths = sorted((folder / name).glob("*.csv"))
    if not paths:
        problems.append(f"{name} has no file")
    for path in paths:
        content = path.read_bytes()
        assert not content.startswith(b"\xef\xbb\xbf"), "a byte order mark"
        text = content.decode("utf-8")
        assert text.endswith("\n"), path
        first, *lines = text.split("\n")[:-1]
        if first != ",".join(header):
            problems.append(f"{path.name}: the header is not the schema's")
        for line in lines:
            found = cells(line)
            if len(found) != len(header):
                problems.append(f"{path.name}: a line of {len(found)} cells")
                continue
            rows.append(dict(zip(header, found, strict=True)))
    return rows, problems


def validate(folder: Path, domain: str = "ECOMMERCE", *, incremental: bool = False) -> list[str]:
    """Everything that is wrong with an export, a sentence each."""
    problems = []
    together: dict[str, list[dict[str, str]]] = {}
    for path in sorted(folder.glob("*.avsc")):
        name = path.stem
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["name"] != FILES[name]:
            problems.append(f"{path.name} is of {document['name']}")
        problems += [f"{path.name}: {one}" for one in schema_problems(document, domain)]
        fields = document["fields"]
        rows, wrong = rows_of(folder, name, [field["name"] for field in fields])
        problems += wrong
        found = {
            problem for row in rows for field in fields
            if (problem := value_problem(row[field["name"]], field))
        }  # fmt: skip
        problems += [f"{name}: {one}" for one in sorted(found)]
        together[name] = rows
    for name, key in (("items", "ITEM_ID"), ("users", "USER_ID"), ("actions", "ACTION_ID")):
        if name in together:
            ids = Counter(row[key] for row in together[name])
            problems += [f"{name}: {id_} is there twice" for id_, n in ids.items() if n > 1]
    interactions = together["interactions"]
    unique = {tuple(row[k] for k in ("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP"))
              for row in interactions}  # fmt: skip
    if len(unique) < 1_000:
        problems.append(f"{len(unique)} unique interactions")
    of_user = Counter(row["USER_ID"] for row in interactions)
    active = sum(count >= 2 for count in of_user.values())
    if not incremental and (active < 25 or active < len(of_user) / 100):
        problems.append(f"{active} users with two interactions")
    times = [int(row["TIMESTAMP"]) for row in interactions]
    if times != sorted(times):
        problems.append("interactions are in no order")
    known = {row["ITEM_ID"] for row in together["items"]}
    listed = {item for row in interactions for item in row.get("IMPRESSION", "").split("|")} - {""}
    if not incremental and listed - known:
        problems.append(f"{len(listed - known)} items of impressions are no items")
    for row in interactions:
        shown = row.get("IMPRESSION", "")
        if shown and row["ITEM_ID"] not in shown.split("|"):
            problems.append("an impression without the item that was chosen")
            break
    return problems
