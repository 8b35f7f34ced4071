"""The landed objects of S3 as things that can be written again."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from engagement.aws.s3 import Address, Bucket, error_code
from engagement.warehouse.athena.errors import problem
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.objects import Content, ObjectUnreadableError

_KEPT = (
    "ContentType",
    "ContentEncoding",
    "ContentDisposition",
    "ContentLanguage",
    "CacheControl",
    "Metadata",
    "StorageClass",
    "ServerSideEncryption",
    "SSEKMSKeyId",
)
"""What an object keeps when it is written again."""


class S3Objects:
    """Objects below an address: put on the condition that they are still those that were read."""

    def __init__(self, bucket: Bucket, at: Address) -> None:
        self._bucket = bucket
        self._at = at

    def names(self) -> Iterator[str]:
        """Names of all objects, but for drafts."""
        for found in self._bucket.listing(self._at):
            yield found.name

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Names of all objects with their bytes."""
        for found in self._bucket.listing(self._at):
            yield found.name, found.size

    def tidy(self) -> None:
        """Nothing to do: what is put is there whole or not at all."""

    def read(self, name: str) -> Content:
        """Read one whole."""
        at = self._at / name
        try:
            answer = self._bucket.client.get_object(Bucket=at.bucket, Key=at.key)
            kept = {key: answer[key] for key in _KEPT if answer.get(key)}
            return Content(answer["Body"].read(), (answer["ETag"], kept))
        except (ClientError, BotoCoreError) as error:
            raise ObjectUnreadableError(str(problem("it cannot be read", error))) from None

    def replace(self, name: str, old: Content, data: bytes) -> None:
        """Write one again, in one step."""
        at = self._at / name
        tag, kept = old.version
        try:
            self._bucket.client.put_object(
                Bucket=at.bucket, Key=at.key, Body=data, IfMatch=tag, **kept
            )
        except (ClientError, BotoCoreError) as error:
            if error_code(error) in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
                raise WarehouseError(
                    f"{name} was written meanwhile: run the erasure again"
                ) from None
            raise problem(f"{at} cannot be written again", error) from error

    def notes(self, name: str) -> str:
        """Say where else its bytes may be."""
        del name  # old versions are looked for by themselves
        return ""
