"""Arrow's own S3 client, which does not read the environment for an address."""

from typing import Any
from urllib.parse import urlsplit

from pyarrow import fs


def s3_filesystem_at(url: str) -> type[fs.S3FileSystem]:
    """Make a class like ``pyarrow.fs.S3FileSystem`` that goes to an address of its own.

    PyAthena's ``ArrowCursor`` reads result files with Arrow's client, and offers no way to say
    where; tests put this class in the place of Arrow's.
    """
    address = urlsplit(url)

    class StandS3FileSystem(fs.S3FileSystem):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(scheme=address.scheme, endpoint_override=address.netloc, **options)

    return StandS3FileSystem
