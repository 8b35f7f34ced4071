"""Objects of S3 by their address: list, read, write and remove."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from engagement.aws.errors import AwsError
from engagement.errors import FailedError

E = TypeVar("E", bound=FailedError)

_MOST_AT_ONCE = 1000
_READ_ATTEMPTS = 4
_BROKEN_OFF = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)


@dataclass(frozen=True)
class Address:
    """A place in S3; ``key`` of a folder ends with a slash."""

    bucket: str
    key: str

    @classmethod
    def parse(
        cls, text: str, *, folder: bool = False, raises: type[FailedError] = AwsError
    ) -> Address:
        """Read ``s3://bucket/key``.

        Raises
        ------
        AwsError
            When it is no such address; ``raises`` names another type.
        """
        parts = urlsplit(text, allow_fragments=False)
        if parts.scheme != "s3" or not parts.netloc:
            raise raises(f"'{text}': write an address such as s3://bucket/folder/")
        key = text.removeprefix(f"s3://{parts.netloc}").removeprefix("/")
        if folder and key and not key.endswith("/"):
            key += "/"
        return cls(parts.netloc, key)

    def __truediv__(self, name: str) -> Address:
        return Address(self.bucket, self.key + name)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Found:
    """An object of a listing; ``name`` starts below the folder that was listed."""

    name: str
    size: int
    tag: str
    changed: float


class Bucket:
    """Calls on S3, with errors that say on what.

    Parameters
    ----------
    raises
        The type of these errors.
    """

    def __init__(self, client: Any, raises: type[FailedError] = AwsError) -> None:
        self.client = client
        self._raises = raises

    def _problem(self, what: str, error: Exception) -> FailedError:
        return problem(what, error, self._raises)

    def listing(self, folder: Address) -> Iterator[Found]:
        """Every object below a folder, by name; markers of folders are left out."""
        try:
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=folder.bucket, Prefix=folder.key
            )
            for page in pages:
                for item in page.get("Contents", []):
                    name = item["Key"][len(folder.key) :]
                    if name and not name.endswith("/"):
                        changed = item["LastModified"].timestamp()
                        yield Found(name, item["Size"], item["ETag"].strip('"'), changed)
        except (ClientError, BotoCoreError) as error:
            raise self._problem(f"{folder} cannot be listed", error) from error

    def folders(self, folder: Address) -> list[str]:
        """Names of the folders right below a folder, without their slash, sorted."""
        try:
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=folder.bucket, Prefix=folder.key, Delimiter="/"
            )
            return sorted(
                item["Prefix"][len(folder.key) :].rstrip("/")
                for page in pages
                for item in page.get("CommonPrefixes", [])
            )
        except (ClientError, BotoCoreError) as error:
            raise self._problem(f"{folder} cannot be listed", error) from error

    def read(self, address: Address) -> bytes:
        """All bytes of an object; tried again where the connection breaks in the middle."""
        for number in range(1, _READ_ATTEMPTS + 1):
            try:
                answer = self.client.get_object(Bucket=address.bucket, Key=address.key)
                return bytes(answer["Body"].read())
            except _BROKEN_OFF as error:
                # botocore tries calls again, but not the reading of their bodies.
                if number == _READ_ATTEMPTS:
                    raise self._problem(f"{address} cannot be read", error) from error
                time.sleep(random.uniform(0, 0.5 * 2**number))  # noqa: S311
            except (ClientError, BotoCoreError) as error:
                raise self._problem(f"{address} cannot be read", error) from error
        raise AssertionError("unreachable")

    def parquet(self, folder: Address, columns: list[str] | None = None) -> pa.Table | None:
        """All rows of the Parquet files of a small folder; ``None`` where there is no file."""
        files = [found.name for found in self.listing(folder) if found.size]
        tables = [
            pq.read_table(pa.BufferReader(self.read(folder / name)), columns=columns)
            for name in files
        ]
        return pa.concat_tables(tables, promote_options="default") if tables else None

    def write(self, address: Address, content: bytes) -> None:
        """Put an object."""
        try:
            self.client.put_object(Bucket=address.bucket, Key=address.key, Body=content)
        except (ClientError, BotoCoreError) as error:
            raise self._problem(f"{address} cannot be written", error) from error

    def remove(self, folder: Address, names: list[str]) -> None:
        """Delete objects below a folder; no error where there is none."""
        for start in range(0, len(names), _MOST_AT_ONCE):
            keys = [{"Key": folder.key + name} for name in names[start : start + _MOST_AT_ONCE]]
            wanted: Any = {"Objects": keys, "Quiet": True}
            try:
                answer = self.client.delete_objects(Bucket=folder.bucket, Delete=wanted)
            except (ClientError, BotoCoreError) as error:
                raise self._problem(f"{folder} cannot be emptied", error) from error
            for failed in answer.get("Errors", []):
                raise self._raises(
                    f"s3://{folder.bucket}/{failed.get('Key')} cannot be deleted: "
                    f"{failed.get('Code')}: {failed.get('Message')}"
                )

    def empty(self, folder: Address) -> int:
        """Delete everything below a folder; says how many objects there were."""
        names = [found.name for found in self.listing(folder)]
        self.remove(folder, names)
        return len(names)


def error_code(error: Exception) -> str:
    """AWS' code of an error; its class' name where it has none."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "")) or "ClientError"
    return type(error).__name__


def problem(what: str, error: Exception, raises: type[E]) -> E:
    """Say what could not be done, with the service's own reason and what to do about it."""
    code = error_code(error)
    if code in _EXPIRED:
        return raises(
            f"{what}: the AWS credentials have expired ({code}). Renew them (sign in again) and "
            "run again: no table is half-written."
        )
    said = str(error)
    if isinstance(error, ClientError):
        message = str(error.response.get("Error", {}).get("Message", ""))
        said = f"{code}: {message}" if message else code
    hint = _HINTS.get(code, "")
    if permission := missing_permission(error):
        hint = f". The role lacks {permission}: docs/aws has what it needs"
    return raises(f"{what}: {said}{hint}")


_EXPIRED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "TokenRefreshRequired",
    "SSOTokenLoadError",
    "TokenRetrievalError",
    "UnauthorizedSSOTokenError",
}
_HINTS = {
    "NoSuchBucket": ". Check the bucket's name in the parameters",
    "NoCredentialsError": ". Sign in to AWS first (AWS_PROFILE, or 'aws sso login')",
    "ProfileNotFound": ". Check AWS_PROFILE",
    "InvalidAccessKeyId": ". AWS does not know these credentials: sign in again",
    "UnrecognizedClientException": ". AWS does not know these credentials: sign in again",
    "InvalidClientTokenId": ". AWS does not know these credentials: sign in again",
}

_DENIED = {"AccessDenied", "AccessDeniedException", "403", "Forbidden", "UnauthorizedException"}
_NAMED = re.compile(r"not authorized to perform:? \[?(?P<action>[a-z0-9-]+:[A-Za-z]+)")
_LAKE_FORMATION = re.compile(r"Insufficient Lake Formation permission\(s\):? (?P<what>[^.(;]+)")
# S3 names its permissions otherwise than its calls.
_S3_PERMISSIONS = {
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "DeleteObjects": "s3:DeleteObject",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
}
_SERVICES = {
    "Query": "athena",
    "WorkGroup": "athena",
    "Tags": "athena",
    "Table": "glue",
    "Database": "glue",
    "Partition": "glue",
    "DataLake": "lakeformation",
    "Permissions": "lakeformation",
    "Resources": "lakeformation",
}
"""Which of our services a call belongs to, by a word of its name."""


def missing_permission(error: BaseException | None) -> str:
    """The permission for lack of which AWS refused a call; empty where that was not the reason.

    AWS mostly names it, and where a call needs several (a key's, say) only AWS knows which.
    """
    while error is not None and not isinstance(error, ClientError):
        error = error.__cause__
    if error is None:
        return ""
    message = str(error.response.get("Error", {}).get("Message", ""))
    if found := _LAKE_FORMATION.search(message):
        return f"a grant in Lake Formation ({found['what'].strip()})"
    if error_code(error) not in _DENIED and "not authorized" not in message:
        return ""
    if found := _NAMED.search(message):
        return found["action"]
    called = str(error.operation_name)
    if called in _S3_PERMISSIONS:
        return _S3_PERMISSIONS[called]
    service = next((service for word, service in _SERVICES.items() if word in called), "")
    return f"{service}:{called}" if service else called
