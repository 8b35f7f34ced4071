"""What Athena and S3 say, and what is made of it: no AWS needed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ResponseStreamingError

from engagement.aws.s3 import Address, Bucket, missing_permission
from engagement.warehouse import WarehouseError
from engagement.warehouse.athena.errors import problem
from engagement.warehouse.athena.statements import _may_pass

BAD_FILE = "HIVE_CURSOR_ERROR: incorrect header check at s3://lake/a.gz"
ENGINE = "GENERIC_INTERNAL_ERROR: the engine stopped"


@pytest.mark.parametrize(
    ("reason", "retryable", "expected"),
    [
        # Athena's own flag decides,
        (ENGINE, True, True),
        (ENGINE, False, False),
        ("SYNTAX_ERROR: line 1:8: Column 'x' cannot be resolved", False, False),
        # or the reason, where there is no flag,
        (ENGINE, None, True),
        ("COLUMN_NOT_FOUND: line 1:8", None, False),
        # or where it tells more: what is busy passes, what is in a file stays.
        ("HIVE_CANNOT_OPEN_SPLIT: SlowDown: Please reduce your request rate", False, True),
        ("Query exhausted resources at this scale factor", False, True),
        (BAD_FILE, True, False),
    ],
)
def test_what_may_pass_is_tried_again(reason: str, retryable: bool | None, expected: bool) -> None:
    assert _may_pass(reason, retryable) is expected


def error(operation: str, code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


KEY = "arn:aws:kms:eu-central-1:111122223333:key/1"


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        # AWS names the permission, where it is another than that of the call too.
        (
            error(
                "PutObject",
                "AccessDenied",
                "User: arn:aws:sts::111122223333:assumed-role/build/x is not authorized to "
                f"perform: kms:GenerateDataKey on resource: {KEY} because no identity-based policy "
                "allows the kms:GenerateDataKey action",
            ),
            "kms:GenerateDataKey",
        ),
        (
            error(
                "CreateTable",
                "AccessDeniedException",
                "Insufficient Lake Formation permission(s): Required Create Table on lake "
                "(Service: AmazonDataCatalog; Status Code: 400)",
            ),
            "a grant in Lake Formation (Required Create Table on lake)",
        ),
        # Else it is that of the call; S3 names some of its own otherwise.
        (error("ListObjectsV2", "AccessDenied", "Access Denied"), "s3:ListBucket"),
        (error("HeadBucket", "403", "Forbidden"), "s3:ListBucket"),
        (error("GetBucketEncryption", "AccessDenied", ""), "s3:GetEncryptionConfiguration"),
        (error("BatchDeleteTable", "AccessDeniedException", "no"), "glue:BatchDeleteTable"),
        (error("GetWorkGroup", "AccessDeniedException", "no"), "athena:GetWorkGroup"),
        (
            error("GetDataLakeSettings", "AccessDeniedException", "no"),
            "lakeformation:GetDataLakeSettings",
        ),
        # What failed for another reason lacks nothing.
        (error("GetObject", "NoSuchKey", "The specified key does not exist."), ""),
        (NoCredentialsError(), ""),
        (None, ""),
    ],
)
def test_a_permission_that_is_missing_is_named(refused: Exception | None, expected: str) -> None:
    assert missing_permission(refused) == expected


def test_a_permission_is_found_behind_what_was_made_of_the_error() -> None:
    refused = error("GetObject", "AccessDenied", "Access Denied")
    told = problem("s3://lake/x cannot be read", refused)
    told.__cause__ = refused
    assert missing_permission(told) == "s3:GetObject"
    assert str(told).endswith("The role lacks s3:GetObject: docs/aws has what it needs")


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_expired_credentials_say_what_to_do(code: str) -> None:
    told = str(problem("marts.orders", error("GetTable", code, "expired")))
    assert told == (
        f"marts.orders: the AWS credentials have expired ({code}). Renew them (sign in again) and "
        "run again: no table is half-written."
    )


class Breaking(io.BytesIO):
    """A body whose connection breaks while it is read."""

    def read(self, *_: Any) -> bytes:
        raise ResponseStreamingError(error="connection broken")


class Client:
    """S3 with these bodies, one after the other."""

    def __init__(self, *bodies: io.BytesIO) -> None:
        self._bodies: Iterator[io.BytesIO] = iter(bodies)

    def get_object(self, **_: str) -> dict[str, io.BytesIO]:
        return {"Body": next(self._bodies)}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engagement.aws.s3.time.sleep", lambda _: None)


def test_a_body_that_breaks_off_is_read_again() -> None:
    bucket = Bucket(Client(Breaking(), Breaking(), io.BytesIO(b"whole")), WarehouseError)
    assert bucket.read(Address.parse("s3://lake/x")) == b"whole"


def test_a_body_that_always_breaks_off_is_told() -> None:
    bucket = Bucket(Client(*(Breaking() for _ in range(9))), WarehouseError)
    with pytest.raises(WarehouseError, match=r"x cannot be read: .*connection broken"):
        bucket.read(Address.parse("s3://lake/x"))
