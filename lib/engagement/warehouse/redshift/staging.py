"""The staging folder in S3: files that Redshift copies from, and what it has unloaded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engagement.aws.s3 import Address, Bucket
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.redshift import unload
from engagement.warehouse.redshift.unload import Format, Staging
from engagement.warehouse.unloading import Unloaded

_MOST_MEGABYTES = 256


class Stage:
    """A folder of S3 that Redshift may read and write as a role.

    Parameters
    ----------
    client
        boto3's, of S3.
    """

    def __init__(self, client: Any, staging: Staging) -> None:
        self._bucket = Bucket(client, WarehouseError)
        self._staging = staging
        self._root = Address.parse(staging.location, folder=True, raises=WarehouseError)

    def folder(self, name: str) -> str:
        """The address of a folder below it, with a slash at its end."""
        return f"{self._root / name}/"

    @contextmanager
    def put(self, name: str, content: bytes) -> Iterator[str]:
        """A file that is there while the block lasts; gives its address."""
        key = "rows/" + re.sub(r"[^a-zA-Z0-9._-]", "_", name)
        self._bucket.write(self._root / key, content)
        try:
            yield str(self._root / key)
        finally:
            self._bucket.remove(self._root, [key])

    def listed(self) -> None:
        """List the folder.

        Raises
        ------
        WarehouseError
            When that is not allowed.
        """
        next(iter(self._bucket.listing(self._root)), None)

    def copying(self, table: str, columns: Sequence[str], source: str, null_mark: str) -> str:
        """The statement that reads such a file."""
        return unload.copying(table, columns, source, self._staging, null_mark)

    def unloading(self, query: str, folder: str, kind: Format, *, in_order: bool) -> str:
        """The statement that writes a query's rows to a folder."""
        return unload.unloading(
            query,
            folder,
            self._staging,
            kind,
            most_megabytes=_MOST_MEGABYTES,
            in_order=in_order,
        )

    def tables(self, written: Unloaded, rows: int) -> Iterator[pa.Table]:
        """The rows of Parquet files in the files' order, so many at a time.

        Raises
        ------
        WarehouseError
            When a file has other rows than the manifest says.
        """
        waiting: list[pa.Table] = []
        for file in sorted(written.files, key=lambda one: one.url):
            content = self._bucket.read(Address.parse(file.url, raises=WarehouseError))
            found = pq.read_table(pa.BufferReader(content))
            if found.num_rows != file.rows:
                raise WarehouseError(
                    f"{file.url} has {found.num_rows:,} rows, and the manifest says {file.rows:,}"
                )
            waiting.append(found)
            if sum(one.num_rows for one in waiting) >= rows:
                whole = pa.concat_tables(waiting)
                for start in range(0, whole.num_rows - rows + 1, rows):
                    yield whole.slice(start, rows)
                waiting = [whole.slice(whole.num_rows - whole.num_rows % rows)]
        if waiting and (left := pa.concat_tables(waiting)).num_rows:
            yield left

    def empty(self, folder: str) -> None:
        """Delete what is in a folder below it."""
        self._bucket.empty(Address.parse(folder, folder=True, raises=WarehouseError))

    def written(self, folder: str) -> Unloaded:
        """What the folder's manifest says was written."""
        place = Address.parse(folder, folder=True, raises=WarehouseError) / unload.MANIFEST
        return unload.read_manifest(self._bucket.read(place), folder)
