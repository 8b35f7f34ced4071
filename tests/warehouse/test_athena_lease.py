"""The lease in S3 where answers are lost and others come in between: S3 is a dictionary here."""

# ruff: noqa: N803 (the names are those of the AWS calls)
from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from engagement.aws.s3 import Address
from engagement.warehouse import LeaseHeldError, WarehouseError
from engagement.warehouse.athena.lease import S3Lease

AT = Address("lake", "data/lease.json")


class Store:
    """One object, with conditions as S3 has them, and answers that can be lost."""

    def __init__(self) -> None:
        self.body: bytes | None = None
        self.tag = 0
        self.lost: list[str] = []
        self.again = False
        self.deleted: list[dict[str, Any]] = []

    def _refuse(self, code: str, status: int) -> ClientError:
        details = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return ClientError(details, "call")  # type: ignore[arg-type]

    def _check(self, conditions: dict[str, str]) -> None:
        if "IfNoneMatch" in conditions and self.body is not None:
            raise self._refuse("PreconditionFailed", 412)
        if "IfMatch" in conditions:
            if self.body is None:
                raise self._refuse("NoSuchKey", 404)
            if conditions["IfMatch"] != f'"{self.tag}"':
                raise self._refuse("PreconditionFailed", 412)

    def put_object(self, Bucket: str, Key: str, Body: bytes, **conditions: str) -> None:
        assert (Bucket, Key) == ("lake", "data/lease.json")
        self._check(conditions)
        self.body, self.tag = Body, self.tag + 1
        if "put" in self.lost:
            self.lost.remove("put")
            if self.again:  # the library makes the call again by itself
                self._check(conditions)
            raise ConnectionClosedError(endpoint_url="https://s3")

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        del Bucket, Key
        if self.body is None:
            raise self._refuse("NoSuchKey", 404)
        now = datetime.now(UTC).replace(microsecond=0)
        return {
            "Body": io.BytesIO(self.body),
            "ETag": f'"{self.tag}"',
            "LastModified": now,
            "ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(now, usegmt=True)}},
        }

    def delete_object(self, Bucket: str, Key: str, **conditions: str) -> None:
        del Bucket, Key
        self.deleted.append(conditions)
        self._check(conditions)
        self.body = None
        if "delete" in self.lost:
            raise ReadTimeoutError(endpoint_url="https://s3")


@pytest.mark.parametrize("again", [False, True])
def test_a_lease_whose_answer_was_lost_is_ones_own(again: bool) -> None:
    store = Store()
    store.lost, store.again = ["put"], again
    lease = S3Lease(store, AT, 600)
    with lease.hold("run one") as token:
        lease.check(token)
        assert lease.holder()["holder"] == "run one"
    assert store.body is None


def test_one_that_was_not_written_is_not() -> None:
    store = Store()

    def broken(**_: object) -> None:
        raise ConnectionClosedError(endpoint_url="https://s3")

    store.put_object = broken  # type: ignore[method-assign,assignment]
    with (
        pytest.raises(WarehouseError, match="cannot be written"),
        S3Lease(store, AT, 600).hold("run one"),
    ):
        pass


def test_somebody_elses_is_told_from_ones_own() -> None:
    store = Store()
    with (
        S3Lease(store, AT, 600).hold("run one"),
        pytest.raises(LeaseHeldError, match="run one"),
        S3Lease(store, AT, 600).hold("run two"),
    ):
        pass


def test_a_lease_is_let_go_of_only_while_it_is_the_one_that_was_seen(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store()
    lease = S3Lease(store, AT, 600)
    get = store.get_object

    def taken_over_after_the_look(**address: str) -> dict[str, Any]:
        answer = get(**address)
        store.body, store.tag = json.dumps({"token": "another"}).encode(), store.tag + 1
        return answer

    with lease.hold("run one"):
        store.get_object = taken_over_after_the_look  # type: ignore[method-assign,assignment]
    assert store.deleted == [{"IfMatch": '"1"'}]
    assert store.body == b'{"token": "another"}'
    assert caplog.records == []


def test_that_the_answer_to_letting_go_was_lost_is_only_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store()
    store.lost = ["delete"]
    with S3Lease(store, AT, 600).hold("run one"):
        pass
    assert store.body is None
    assert "was not let go of" in caplog.text
