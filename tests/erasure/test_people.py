"""Whose a record is: rules, each with a case worked out by hand."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from engagement.erasure import files
from engagement.erasure.people import (
    DEVICE,
    USER,
    Erased,
    Judge,
    Person,
    Ties,
    digest,
    is_unmistakable,
    needles,
    person,
)

PLACEHOLDERS = ("", "null", "undefined", "0", "anonymous")


def ties(
    devices: dict[str, set[str]] | None = None, aliases: dict[str, set[str]] | None = None
) -> Ties:
    return Ties(devices or {}, aliases or {})


def line(**keys: Any) -> bytes:
    return json.dumps(keys).encode()


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (ties(), Person(frozenset({"u1"}))),
        # A device of their own, one that is shared, and one of somebody else.
        (
            ties({"own": {"u1"}, "shared": {"u1", "u2"}, "other": {"u2"}}),
            Person(frozenset({"u1"}), frozenset({"own"}), frozenset({"shared"})),
        ),
        # A former user id, over two steps and in both directions; its devices too. What became
        # another id may have been a device's.
        (
            ties({"d0": {"u0"}, "d9": {"u2"}}, {"u0": {"u1"}, "u1": {"u2"}}),
            Person(frozenset({"u0", "u1", "u2"}), frozenset({"d0", "d9", "u0", "u1"})),
        ),
        # A device that both the former and the present id used is nobody else's.
        (
            ties({"d": {"u0", "u1"}}, {"u0": {"u1"}}),
            Person(frozenset({"u0", "u1"}), frozenset({"d", "u0"})),
        ),
        # A previous id that is a device joins no users: the other one on it stays.
        (
            ties({"a1": {"u1", "u2"}}, {"a1": {"u1"}}),
            Person(frozenset({"u1"}), frozenset(), frozenset({"a1"})),
        ),
        # Nor does one that was aliased to two users, although it was seen with neither.
        (
            ties({}, {"a1": {"u1", "u2"}}),
            Person(frozenset({"u1"}), frozenset(), frozenset(), frozenset({"a1"})),
        ),
        # A device that was seen with this user, and aliased to another one.
        (
            ties({"a1": {"u1"}}, {"a1": {"u2"}}),
            Person(frozenset({"u1"}), frozenset(), frozenset({"a1"})),
        ),
        # The one who is named became two users: which of them cannot be told.
        (
            ties({}, {"u1": {"u2", "u3"}}),
            Person(frozenset({"u1"}), frozenset(), frozenset(), frozenset({"u1"})),
        ),
    ],
)
def test_the_ids_of_a_person(known: Ties, expected: Person) -> None:
    assert person(["u1"], known) == expected


def test_a_circle_of_aliases_ends() -> None:
    known = ties({}, {"u1": {"u2"}, "u2": {"u1"}})
    assert person(["u1"], known).user_ids == {"u1", "u2"}


WHO = Person(frozenset({"user-0077", "7"}), frozenset({"device-0001"}))


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (line(userId="user-0077"), "user_id"),
        (line(userId=7), "user_id"),
        (line(userId=7.0), "user_id"),
        (b'{"userId":"\\u0075ser-0077"}', "user_id"),
        (line(userId="", anonymousId="device-0001"), "anonymous_id"),
        (line(userId="null", anonymousId="device-0001"), "anonymous_id"),
        (line(anonymousId="device-0001"), "anonymous_id"),
        (line(userId="USER-0077"), None),
        (line(userId="user-00779"), None),
        (line(anonymousId="device-00011"), None),
        # A short id counts where the id of a person stands, and nowhere else.
        (line(userId="other", properties={"quantity": 7, "size": "7"}), None),
        (line(userId="other", properties={"customer_id": 7}), "named"),
        (line(userId="other", context={"traits": {"id": "7"}}), "named"),
        (line(userId="other", properties={"id": "7"}), None),
        (line(userId="other", properties={"invited": [{"userId": "7"}]}), "named"),
        # A long one counts anywhere, as a whole word, also in escapes and as a key.
        (line(userId="other", properties={"url": "https://a.example/u/user-0077?x=1"}), "named"),
        (b'{"properties":{"note":"by \\u0075ser\\u002d0077."}}', "named"),
        (line(properties={"user-0077": 1}), "named"),
        (line(properties={"url": "/xuser-0077"}), None),
        # What is no JSON, and cannot be read, names them as text.
        (b'{"type":"track","userId":"user-0077","properties":{"a', "named"),
        (b'{"userId": "7","a":tru', "named"),
        (b'{"size": "7","a":tru', None),
        (b'{"product_id": "7","a":tru', None),
        (b'{"Customer-ID" : 7,"a":tru', "named"),
        (b'{"userId":"77","a":tru', None),
        (b'{"userId":"user-0077","x":"\xff"}', "named"),
        (b"[1, 2]", None),
        (b"", None),
    ],
)
def test_why_a_record_goes(record: bytes, why: str | None) -> None:
    assert Judge(WHO, Erased(), placeholders=PLACEHOLDERS).why(record) == why


def test_what_others_sent_may_stay_though_it_names_the_person() -> None:
    judge = Judge(WHO, Erased(), placeholders=PLACEHOLDERS, keep_named=True)
    assert judge.why(line(userId="other", properties={"customer_id": 7})) is None
    assert judge.why(line(anonymousId="x", properties={"customer_id": 7})) == "named"
    assert judge.why(line(userId="user-0077")) == "user_id"


def test_what_other_sources_sent_is_told_and_stays() -> None:
    judge = Judge(WHO, Erased(), placeholders=PLACEHOLDERS, write_keys=["web"])
    assert judge.why(line(userId="user-0077", writeKey="web")) == "user_id"
    assert judge.why(line(userId="user-0077", writeKey="app")) == "other_source"
    assert judge.why(line(userId="user-0077")) == "other_source"
    assert judge.why(line(userId="other", writeKey="app")) is None


NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
LIST = Erased(
    "secret",
    {
        USER: {digest("secret", USER, "user-0077"): NOON},
        DEVICE: {digest("secret", DEVICE, "device-0001"): NOON},
    },
)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (line(userId="user-0077", timestamp="2027-01-01T00:00:00Z"), "user_id"),
        (line(anonymousId="device-0001", timestamp="2026-01-05T12:00:00.000Z"), "anonymous_id"),
        (
            line(anonymousId="device-0001", timestamp="2026-01-05T13:00:00.000+01:00"),
            "anonymous_id",
        ),
        (line(anonymousId="device-0001"), "anonymous_id"),
        # What the device did afterwards was somebody's who was not erased.
        (line(anonymousId="device-0001", timestamp="2026-01-05T12:00:00.001Z"), None),
        # And whoever signs in on it is somebody else.
        (line(userId="new", anonymousId="device-0001", timestamp="2026-01-01T00:00:00Z"), None),
        (line(userId="device-0001"), None),
    ],
)
def test_who_is_on_the_list_is_known_by_hashes_alone(record: bytes, why: str | None) -> None:
    assert Judge(Person(), LIST, placeholders=PLACEHOLDERS).why(record) == why


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("user-0077", True),
        ("a@b.example", True),
        ("d9b2d63d-a233-4123-847a-7090c0a3b2f4", True),
        ("12345678", False),
        ("customers", False),
        ("u1", False),
    ],
)
def test_what_is_unmistakable(value: str, expected: bool) -> None:
    assert is_unmistakable(value) is expected


@pytest.mark.parametrize(
    ("user_id", "record", "expected"),
    [
        ("user-0077", '{"url":"/user-0077"}', True),
        ("7", '{"quantity":17,"at":"2027"}', False),
        ("7", '{"customer_id":"7"}', True),
        ("7", '{"customer_id":7,"x":1}', True),
        ("7", '{"customer_id": 7}', True),
        ("7", '{"ids":[1, 7]}', False),  # no name of an id says so
        ("ü-7", '{"customer_id":"\\u00fc-7"}', True),
        ("ü-7", '{"customer_id":"ü-7"}', True),
    ],
)
def test_needles_find_what_names_a_person(user_id: str, record: str, expected: bool) -> None:
    found = needles(Person(frozenset({user_id})))
    assert any(needle in record for needle in found) is expected


THEIRS, OURS, BROKEN = line(userId="user-0077"), line(userId="other"), b'{"userId":"user-0077'


@pytest.mark.parametrize(
    ("data", "expected", "removed"),
    [
        (OURS + b"\n" + THEIRS + b"\n" + OURS + b"\n", OURS + b"\n" + OURS + b"\n", 1),
        (OURS + b"\r\n" + THEIRS + b"\r\n\r\n" + OURS, OURS + b"\r\n\r\n" + OURS, 1),
        (THEIRS + b"\r" + OURS + b"\r", OURS + b"\r", 1),
        (OURS + b"\n" + THEIRS, OURS + b"\n", 1),
        (THEIRS, b"", 1),
        (b"", b"", 0),
        (b"\xef\xbb\xbf" + THEIRS + b"\n" + OURS, b"\xef\xbb\xbf" + OURS, 1),
        # Several on a line: what stays on it stays byte for byte.
        (OURS + b" " + THEIRS + OURS + b" \n" + OURS, OURS + OURS + b" \n" + OURS, 1),
        (OURS + THEIRS + BROKEN + b"\nx", OURS + b"\nx", 2),
        (b"  \n" + BROKEN + b"\n\t", b"  \n\t", 1),
        (b"{broken\n\xff\xfe\n" + OURS, b"{broken\n\xff\xfe\n" + OURS, 0),
    ],
)
def test_a_file_without_somebody(data: bytes, expected: bytes, removed: int) -> None:
    why = Judge(WHO, Erased(), placeholders=PLACEHOLDERS).why
    found = files.cut("a.json", data, why)
    assert (found.data, found.removed.total()) == (expected, removed)
    zipped = gzip.compress(data)
    again = files.cut("a.gz", zipped, why)
    assert gzip.decompress(again.data) == expected
    assert removed or again.data == zipped


def test_firehoses_own_record_of_a_failure_holds_the_event_in_base64() -> None:
    import base64

    failed = line(errorCode="x", rawData=base64.b64encode(THEIRS).decode())
    fine = line(errorCode="x", rawData=base64.b64encode(OURS).decode())
    why = Judge(WHO, Erased(), placeholders=PLACEHOLDERS).why
    assert files.cut("a", failed + b"\n" + fine + b"\n", why).data == fine + b"\n"


def test_ties_are_those_of_usable_ids() -> None:
    found = Ties()
    judge = Judge(Person(), Erased(), placeholders=PLACEHOLDERS)
    for record in (
        line(userId="u1", anonymousId="a1"),
        line(userId="u2", anonymousId="a1"),
        line(userId="", anonymousId="a1"),
        line(userId="NULL", anonymousId="a2"),
        line(userId="u1", anonymousId=" "),
        line(userId="u1", anonymousId="", type="Alias", previousId="u0"),
        line(userId="u1", type="alias", previousId="u1"),
        line(userId="u1", type="track", previousId="u9"),
        b"nonsense",
    ):
        judge.ties(record, found)
    assert found == Ties({"a1": {"u1", "u2"}}, {"u0": {"u1"}})
