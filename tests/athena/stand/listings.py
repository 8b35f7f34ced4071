"""Listings of S3 that cost what they find.

Moto copies a bucket's whole index for every listing, and asks each object for its newest version.
With some thousand objects that is what the stand does most.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.s3.models import S3Backend


@contextmanager
def quick_listings() -> Iterator[None]:
    """Let moto look only at objects below the prefix, while the block lasts."""
    whole = S3Backend.list_objects

    def list_objects(
        self: S3Backend,
        bucket: Any,
        prefix: str | None,
        delimiter: str | None,
        marker: str | None,
        max_keys: int | None,
    ) -> Any:
        if prefix:
            whole_index, bucket = bucket.keys, copy.copy(bucket)
            bucket.keys = {
                name: versions[-1]
                for name, versions in dict.items(whole_index)
                if name.startswith(prefix)
            }
        return whole(self, bucket, prefix, delimiter, marker, max_keys)

    S3Backend.list_objects = list_objects
    try:
        yield
    finally:
        S3Backend.list_objects = whole
