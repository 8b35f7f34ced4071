"""Whose a record is: the ids of a person, and which records are theirs.

The rules are those of docs/decisions/0010-erasure.md. They lean to neither side: nothing of the
person stays, and nothing of whoever used the same device goes.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

Why = Literal["user_id", "anonymous_id", "named", "other_source"]
"""Why a record goes: its user id, its device, or that it names the person. What another source sent
(``other_source``) is the person's, and stays."""

USER, DEVICE, MESSAGE = "user_id", "anonymous_id", "message_id"

_UNMISTAKABLE = 8
_ID_KEY = re.compile(r"(user|customer|member|account|previous|person|anonymous)id\Z|\Auid\Z")
_PLAIN = re.compile(r"[^a-z0-9]")


def _bare(text: str) -> str:
    return text.strip(" \t\r\n").lower()


@dataclass
class Ties:
    """Which ids were seen together.

    ``devices`` gives the user ids that were seen with an anonymous id, ``aliases`` the user ids
    that a previous id became; ``users`` are all user ids that were seen.
    """

    devices: dict[str, set[str]] = field(default_factory=dict)
    aliases: dict[str, set[str]] = field(default_factory=dict)
    users: set[str] = field(default_factory=set, compare=False)

    def add(self, anonymous_id: str, user_id: str) -> None:
        """An event carried both."""
        self.devices.setdefault(anonymous_id, set()).add(user_id)

    def alias(self, previous_id: str, user_id: str) -> None:
        """An alias event said that the one became the other."""
        self.aliases.setdefault(previous_id, set()).add(user_id)


@dataclass(frozen=True)
class Person:
    """The ids of the people who are to be erased.

    ``user_ids`` are those named and those that aliases join to them; ``devices`` the anonymous ids
    that nobody else is tied to; ``shared`` those that somebody else is tied to: what was done there
    without a user id stays. ``unclear`` are ids that were aliased to several users: they join
    nobody.
    """

    user_ids: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    unclear: frozenset[str] = frozenset()


def person(named: Iterable[str], ties: Ties) -> Person:
    """Find every id of the people whose user ids are named.

    Aliases are followed both ways, over any number of steps, but only where an id became one user:
    what became several is somebody's shared device, or a mistake. A previous id that was seen with
    a user id is a device, and joins no users.
    """
    user_ids, unclear = set(named), set[str]()
    previous: dict[str, set[str]] = {}
    for before, after in ties.aliases.items():
        for user_id in after:
            previous.setdefault(user_id, set()).add(before)
    candidates: set[str] = set()
    waiting = list(user_ids)
    while waiting:
        user_id = waiting.pop()
        near = set(ties.aliases.get(user_id, ())) if user_id not in ties.devices else set()
        if len(near) > 1:
            unclear.add(user_id)
            near = set()
        for before in previous.get(user_id, ()):
            if before in ties.devices:
                candidates.add(before)
            elif len(ties.aliases[before]) > 1:
                unclear.add(before)
            else:
                candidates.add(before)
                near.add(before)
        waiting += near - user_ids
        user_ids |= near
    candidates |= {device for device, users in ties.devices.items() if users & user_ids}
    devices = {
        device
        for device in candidates
        if ties.devices.get(device, set()) <= user_ids
        and ties.aliases.get(device, set()) <= user_ids
    }
    return Person(
        frozenset(user_ids),
        frozenset(devices),
        frozenset(candidates - devices),
        frozenset(unclear),
    )


_ALIKE = 3
_SEARCHED = 500_000
"""Ids among which similar ones are looked for: comparing more would take minutes."""


def alike(user_id: str, ties: Ties) -> list[str]:
    """User ids that somebody who wrote this one may have meant; those that differ least first."""
    known = sorted({*ties.users, *ties.aliases} - {user_id})[:_SEARCHED]
    plain = user_id.strip().casefold()
    same = [one for one in known if one.strip().casefold() == plain]
    near = [one for one in known if abs(len(one) - len(plain)) <= 2]
    close = difflib.get_close_matches(user_id, near, n=_ALIKE, cutoff=0.75)
    return list(dict.fromkeys([*same, *close]))[:_ALIKE]


@dataclass(frozen=True)
class Erased:
    """The do-not-reload list: keyed hashes of ids, and until when what a device did is erased."""

    secret: str = ""
    hashes: Mapping[str, Mapping[str, datetime]] = field(default_factory=dict)

    def digest(self, kind: str, value: str) -> str:
        """The keyed hash of an id, as the list has it."""
        return digest(self.secret, kind, value)

    def until(self, kind: str, value: str) -> datetime | None:
        """When an id was erased; ``None`` if it was not."""
        known = self.hashes.get(kind)
        return known.get(self.digest(kind, value)) if known else None


def digest(secret: str, kind: str, value: str) -> str:
    """SHA-256 of a secret, the kind of an id and the id, in hexadecimal."""
    return hashlib.sha256(f"{secret}:{kind}:{value}".encode()).hexdigest()


def is_unmistakable(value: str) -> bool:
    """Whether an id is recognised wherever it stands: long enough, and no mere number or word."""
    return len(value) >= _UNMISTAKABLE and (
        "@" in value or (bool(re.search(r"[0-9]", value)) and bool(re.search(r"[^\W\d_]", value)))
    )


def whole_words(values: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern for any of some texts where no letter or digit goes on; ``None`` for none."""
    chosen = sorted(values, key=lambda value: (-len(value), value))
    if not chosen:
        return None
    words = "|".join(re.escape(value) for value in chosen)
    return re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])")


def needles(who: Person) -> list[str]:
    """Texts one of which stands in a record that names a person: to find such records quickly.

    A short id is looked for as a whole value, or it would be found in nearly every record.
    """
    found: set[str] = set()
    for value in who.user_ids | who.devices:
        forms = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
        if is_unmistakable(value):
            found |= forms
            continue
        found |= {f'"{form}"' for form in forms}
        if value.isdecimal():
            found |= {f":{space}{value}{end}" for space in ("", " ") for end in ",}] ."}
    return sorted(found)


class Judge:
    """Tells whose a record is.

    Parameters
    ----------
    who
        The people who are being erased now.
    erased
        The do-not-reload list: what it holds goes too.
    placeholders
        Values that stand for no id at all.
    write_keys
        The sources whose events these people's are; empty means all.
    keep_named
        Leave what other people sent, though it names the person.
    """

    def __init__(
        self,
        who: Person,
        erased: Erased,
        *,
        placeholders: Iterable[str] = (),
        write_keys: Sequence[str] = (),
        keep_named: bool = False,
    ) -> None:
        self._who = who
        self._erased = erased
        self._placeholders = {_bare(value) for value in placeholders}
        self._write_keys = frozenset(write_keys)
        self._keep_named = keep_named
        ids = who.user_ids | who.devices
        self._anywhere = whole_words(value for value in ids if is_unmistakable(value))
        self._needles = tuple(sorted({value.encode() for value in ids}))
        self._broken = _broken(ids) if ids else None
        self._until: dict[tuple[str, str], datetime | None] = {}

    def ties(self, record: bytes, into: Ties) -> None:
        """Note which ids a record ties to each other."""
        value = _object(record)
        if value is None:
            return
        user_id, anonymous_id = (
            self._usable(value.get("userId")),
            self._usable(value.get("anonymousId")),
        )
        if user_id is None:
            return
        into.users.add(user_id)
        if anonymous_id is not None:
            into.add(anonymous_id, user_id)
        if str(value.get("type")).lower() == "alias":
            previous_id = self._usable(value.get("previousId"))
            if previous_id is not None and previous_id != user_id:
                into.alias(previous_id, user_id)

    def why(self, record: bytes) -> Why | None:
        """Why a record goes; ``None`` where it is nobody's who is erased."""
        value = _object(record)
        if value is None:
            return "named" if self._is_named_in_broken(record) else None
        found = self._whose(value, record)
        if found is None:
            return None
        if self._write_keys and value.get("writeKey") not in self._write_keys:
            return "other_source"
        return found

    def _whose(self, value: dict[str, Any], record: bytes) -> Why | None:
        user_id, anonymous_id = (
            self._usable(value.get("userId")),
            self._usable(value.get("anonymousId")),
        )
        if user_id is not None:
            if user_id in self._who.user_ids or self._known(USER, user_id):
                return "user_id"
        elif anonymous_id is not None:
            if anonymous_id in self._who.devices:
                return "anonymous_id"
            until = self._known(DEVICE, anonymous_id)
            if until is not None and _is_before(value, until):
                return "anonymous_id"
        if user_id is not None and self._keep_named:
            return None
        message_id = self._usable(value.get("messageId"))
        if message_id is not None and self._known(MESSAGE, message_id) is not None:
            return "named"
        return "named" if self._is_named(value, record) else None

    def _known(self, kind: str, value: str) -> datetime | None:
        if not self._erased.hashes.get(kind):
            return None
        key = (kind, value)
        if key not in self._until:
            self._until[key] = self._erased.until(kind, value)
        return self._until[key]

    def _usable(self, value: Any) -> str | None:
        text = id_text(value)
        if text is None or not text.strip() or _bare(text) in self._placeholders:
            return None
        return text

    def _is_named(self, value: dict[str, Any], record: bytes) -> bool:
        if not self._needles:
            return False
        # An escape may hide an id: only what has none can be told from its bytes.
        if b"\\" not in record and not any(needle in record for needle in self._needles):
            return False
        if self._anywhere and self._anywhere.search(record.decode("utf-8", "replace")):
            return True
        ids = self._who.user_ids
        for key, text in _texts(value):
            if self._anywhere and self._anywhere.search(text):
                return True
            if text in ids and key is not None and is_id_key(key):
                return True
        return False

    def _is_named_in_broken(self, record: bytes) -> bool:
        text = record.decode("utf-8", "replace")
        if self._anywhere and self._anywhere.search(text):
            return True
        return bool(self._broken and self._broken.search(text))


def _broken(ids: AbstractSet[str]) -> re.Pattern[str]:
    """An id after the name of an id, in a text that is no JSON."""
    words = "|".join(re.escape(json.dumps(value)[1:-1]) for value in sorted(ids))
    key = r"(?i:(?:user|customer|member|account|previous|person|anonymous)[_-]?id)"
    return re.compile(rf'{key}"\s*:\s*"?(?:{words})(?:["\s,}}]|\Z)')


def _object(record: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(record)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def id_text(value: Any) -> str | None:
    """An id as the tables have it: numbers as digits; ``None`` where there is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return str(int(value))
    return str(value) if isinstance(value, (int, float)) else None


def _texts(value: Any, key: str | None = None, above: str = "") -> Iterator[tuple[str | None, str]]:
    """Every key and every scalar of a JSON value, as text, the latter with the key it stands at."""
    waiting: list[tuple[Any, str | None, str]] = [(value, key, above)]
    while waiting:
        inner, name, parent = waiting.pop()
        if isinstance(inner, dict):
            for own, item in inner.items():
                yield None, own
                is_id_of_person = own.lower() == "id" and "traits" in (name or "").lower()
                waiting.append((item, "user_id" if is_id_of_person else own, name or ""))
        elif isinstance(inner, list):
            waiting.extend((item, name, parent) for item in inner)
        else:
            text = id_text(inner)
            if text is not None:
                yield name, text


def is_id_key(key: str) -> bool:
    """Whether the name of a property or column says that it holds the id of a person."""
    return bool(_ID_KEY.search(_PLAIN.sub("", key.lower())))


def _is_before(value: Mapping[str, Any], until: datetime) -> bool:
    """Whether an event happened before a moment; one whose time cannot be told did."""
    for key in ("timestamp", "originalTimestamp", "receivedAt"):
        stated = value.get(key)
        if isinstance(stated, str):
            try:
                at = datetime.fromisoformat(stated)
            except ValueError:
                continue
            return (at if at.tzinfo else at.replace(tzinfo=UTC)) <= until
    return True
