"""Segments that become files, or records of a stream."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from engagement.collect import delivery
from engagement.collect.delivery import (
    Deliverer,
    DeliveryError,
    Landed,
    LandingFolder,
    check_apart,
)
from engagement.collect.firehose import FirehoseStream
from engagement.collect.journal import Frame, Journal
from engagement.records.files import partition_of
from tests.collect.conftest import landed_events


def frame(number: int, day: str = "2026-11-30") -> Frame:
    return Frame(day, 1, b'{"n":%d}\n' % number)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "wal")


def sealed(journal: Journal, *some: Frame) -> Path:
    before = set(journal.sealed())
    journal.append(some)
    journal.seal()
    (segment,) = set(journal.sealed()) - before
    return segment


def names(landing: Path) -> list[str]:
    return sorted(str(path.relative_to(landing)) for path in landing.rglob("*") if path.is_file())


def test_files_are_named_as_firehose_names_them(tmp_path: Path, journal: Journal) -> None:
    told: list[Landed] = []
    landing = LandingFolder(tmp_path / "landing", journal.folder, told.append)
    segment = sealed(journal, frame(1), frame(2, "2026-12-01"), frame(3))
    landing.deliver(segment)
    found = names(tmp_path / "landing")
    pattern = (
        r"received_at_utc_date=2026-1[12]-\d\d/rudderstack-events-1-"
        r"\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.gz"
    )
    assert all(re.fullmatch(pattern, name) for name in found)
    assert [partition_of(name) for name in found] == ["2026-11-30", "2026-12-01"]
    assert [(file.name, file.events) for file in told] == [(found[0], 2), (found[1], 1)]
    assert [event["n"] for event in landed_events(tmp_path / "landing")] == [1, 3, 2]
    for path in (tmp_path / "landing").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)


def test_a_segment_that_comes_again_lands_once(tmp_path: Path, journal: Journal) -> None:
    segment = sealed(journal, frame(1), frame(2, "2026-12-01"))
    LandingFolder(tmp_path / "landing", journal.folder).deliver(segment)
    before = names(tmp_path / "landing")
    LandingFolder(tmp_path / "landing", journal.folder).deliver(segment)
    assert names(tmp_path / "landing") == before
    assert not list(journal.folder.glob("*.part"))


def test_a_full_disk_leaves_no_half_file(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = sealed(journal, frame(1))
    landing = LandingFolder(tmp_path / "landing", journal.folder)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DeliveryError, match="No space left"):
            landing.deliver(segment)
    assert names(tmp_path / "landing") == []
    assert list(journal.folder.iterdir()) == [segment]
    landing.deliver(segment)
    assert [event["n"] for event in landed_events(tmp_path / "landing")] == [1]


class Fickle:
    """A target that fails so many times first."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.taken: list[str] = []

    def deliver(self, segment: Path) -> None:
        if self.failures:
            self.failures -= 1
            raise DeliveryError("not now")
        self.taken.append(segment.name)


def test_a_target_that_fails_is_tried_again_and_holds_no_other_up(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.01)
    first, second = sealed(journal, frame(1)), sealed(journal, frame(2))
    sound, fickle = Fickle(0), Fickle(3)
    deliverer = Deliverer(journal, [fickle, sound])
    deliverer.wake()
    for _ in range(400):
        if not journal.sealed():
            break
        deliverer._stopping.wait(0.01)
    assert deliverer.stop() == 0
    assert sound.taken == fickle.taken == [first.name, second.name]


def test_what_cannot_be_delivered_stays_for_the_next_start(journal: Journal) -> None:
    sealed(journal, frame(1))
    assert Deliverer(journal, [Fickle(10**6)]).stop() == 1
    sound = Fickle(0)
    assert Deliverer(journal, [sound]).stop() == 0
    assert len(sound.taken) == 1


@pytest.mark.parametrize(
    ("landing", "wal", "problem"),
    [
        ("landing", "landing.wal", None),
        ("landing", "landing", "in the landing"),
        ("landing", "landing/wal", "in the landing"),
        ("wal/landing", "wal", "in the landing"),
    ],
)
def test_the_write_ahead_file_is_outside_the_landing(
    tmp_path: Path, landing: str, wal: str, problem: str | None
) -> None:
    found = check_apart(tmp_path / landing, tmp_path / wal)
    assert (found is None) == (problem is None)
    assert problem is None or problem in str(found)


# --- Firehose -------------------------------------------------------------------------------------


class Firehose:
    """A stream that refuses some records the first time it sees them."""

    def __init__(self, refused: int = 0) -> None:
        self.refused = refused
        self.calls: list[list[bytes]] = []
        self.records: list[bytes] = []

    def put_record_batch(self, **request: Any) -> dict[str, Any]:
        assert request["DeliveryStreamName"] == "events"
        data = [record["Data"] for record in request["Records"]]
        assert len(data) <= 500
        assert sum(map(len, data)) <= 4 * 1024 * 1024
        self.calls.append(data)
        responses: list[dict[str, str]] = []
        for one in data:
            if self.refused:
                self.refused -= 1
                responses.append({"ErrorCode": "ServiceUnavailableException"})
            else:
                self.records.append(one)
                responses.append({"RecordId": "r"})
        failed = sum("ErrorCode" in one for one in responses)
        return {"FailedPutCount": failed, "RequestResponses": responses}


def many(count: int, size: int = 0) -> list[Frame]:
    return [Frame("2026-11-30", 1, b'{"n":%d,"p":"%b"}\n' % (n, b"x" * size)) for n in range(count)]


def texts(some: list[Frame]) -> list[bytes]:
    return [one.lines.rstrip(b"\n") for one in some]


@pytest.mark.parametrize(("count", "size", "calls"), [(1, 0, 1), (1201, 0, 3), (300, 30_000, 3)])
def test_records_are_put_in_batches_that_firehose_takes(
    journal: Journal, count: int, size: int, calls: int
) -> None:
    client = Firehose()
    some = many(count, size)
    FirehoseStream("events", client).deliver(sealed(journal, *some))
    assert client.records == texts(some)
    assert len(client.calls) == calls


def test_only_refused_records_are_put_again(journal: Journal) -> None:
    client = Firehose(refused=7)
    some = many(20)
    FirehoseStream("events", client, pause=0.001).deliver(sealed(journal, *some))
    assert sorted(client.records) == sorted(texts(some))
    assert [len(call) for call in client.calls] == [20, 7]


def test_refused_for_good_is_told_and_taken_up_where_it_failed(journal: Journal) -> None:
    client = Firehose()
    some = many(700)
    segment = sealed(journal, *some)
    stream = FirehoseStream("events", client, pause=0.001)
    put = client.put_record_batch

    def second_fails(**request: Any) -> dict[str, Any]:
        if client.records:
            client.refused = 10**6
        return put(**request)

    client.put_record_batch = second_fails  # type: ignore[method-assign]
    with pytest.raises(DeliveryError, match="refused 200 events 6 times"):
        stream.deliver(segment)
    client.refused = 0
    client.put_record_batch = put  # type: ignore[method-assign]
    stream.deliver(segment)
    assert client.records == texts(some)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            ClientError(
                {"Error": {"Code": "ResourceNotFoundException", "Message": "u-17@shop.example"}},
                "PutRecordBatch",
            ),
            "ResourceNotFoundException",
        ),
        (EndpointConnectionError(endpoint_url="https://user@host"), "EndpointConnectionError"),
    ],
)
def test_errors_of_aws_are_told_without_what_was_sent(
    journal: Journal, error: Exception, text: str
) -> None:
    class Broken:
        def put_record_batch(self, **request: Any) -> dict[str, Any]:
            raise error

    with pytest.raises(DeliveryError) as told:
        FirehoseStream("events", Broken()).deliver(sealed(journal, frame(1)))
    assert text in str(told.value)
    assert "@" not in str(told.value)


def test_a_real_client_puts_them(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 accepts the requests; moto, which stands in for AWS, writes each call as an object."""
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="landing")
        client = boto3.client("firehose", region_name="us-east-1")
        client.create_delivery_stream(
            DeliveryStreamName="events",
            ExtendedS3DestinationConfiguration={
                "RoleARN": "arn:aws:iam::123456789012:role/firehose",
                "BucketARN": "arn:aws:s3:::landing",
            },
        )
        FirehoseStream("events", client).deliver(sealed(journal, *many(3)))
        (found,) = s3.list_objects_v2(Bucket="landing")["Contents"]
        body = s3.get_object(Bucket="landing", Key=found["Key"])["Body"].read()
        # RudderStack appends no line end; neither does moto, which knows no processors.
        assert body == b"".join(texts(many(3)))
        gone = FirehoseStream("gone", client)
        with pytest.raises(DeliveryError, match="ResourceNotFoundException"):
            gone.deliver(sealed(journal, frame(1)))
