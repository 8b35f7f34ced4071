"""What the engine reads of S3, answered past moto.

Trino lists a folder and gets a file for every partition that it reads, and moto takes two
milliseconds for either. Whatever is out of the ordinary, errors among it, is left to moto.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote
from xml.sax.saxutils import escape

from moto.s3.models import FakeBucket, FakeKey, S3Backend
from werkzeug.wrappers import Response

from .moto_state import live_keys

_RANGE = re.compile(r"bytes=(?:(?P<first>\d+)-(?P<last>\d*)|-(?P<suffix>\d+))")
_MOST_KEYS = 1000
_LISTED = {"list-type", "prefix"}


def quick_answer(
    backend: S3Backend,
    operation: str,
    key: str,
    arguments: Mapping[str, str],
    range_header: str | None,
) -> Response | None:
    """Answer a request of the engine, or return None where moto is to answer.

    Parameters
    ----------
    key
        Bucket and key, as in a path.
    arguments
        Those of the query string.
    range_header
        The header ``Range``.
    """
    bucket_name, _, name = key.partition("/")
    bucket = backend.buckets.get(bucket_name)
    if bucket is None:
        return None
    if operation == "GetObject" and not arguments:
        return _object(bucket, name, range_header)
    if operation == "ListObjectsV2" and arguments.keys() - {"encoding-type"} == _LISTED:
        return _listing(bucket, arguments["prefix"], arguments.get("encoding-type"))
    return None


def _object(bucket: FakeBucket, name: str, range_header: str | None) -> Response | None:
    versions = dict.get(bucket.keys, name)
    found = versions[-1] if versions else None
    if not isinstance(found, FakeKey):
        return None
    content, status = found.value, 200
    headers = {
        "ETag": found.etag,
        "Last-Modified": found.last_modified_RFC1123,
        "Accept-Ranges": "bytes",
    }
    if range_header:
        match = _RANGE.fullmatch(range_header)
        if match is None:
            return None
        size = len(content)
        if match["suffix"]:
            first, last = max(size - int(match["suffix"]), 0), size - 1
        else:
            first, last = int(match["first"]), min(int(match["last"] or size), size - 1)
        if first > last:
            return None
        content, status = content[first : last + 1], 206
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Response(content, status, headers, content_type="binary/octet-stream")


def _listing(bucket: FakeBucket, prefix: str, encoding: str | None) -> Response | None:
    found = live_keys(bucket, prefix)
    if len(found) > _MOST_KEYS:
        return None
    contents = "".join(
        f"<Contents><Key>{escape(one.safe_name(encoding))}</Key>"
        f"<LastModified>{one.last_modified_ISO8601}</LastModified>"
        f"<ETag>{escape(one.etag)}</ETag><Size>{one.size}</Size>"
        f"<StorageClass>{one.storage_class}</StorageClass>{_checksum(one)}</Contents>"
        for one in found
    )
    written = quote(prefix) if encoding else escape(prefix)
    said = f"<EncodingType>{encoding}</EncodingType>" if encoding else ""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket.name}</Name><Prefix>{written}</Prefix>{said}"
        f"<KeyCount>{len(found)}</KeyCount><MaxKeys>{_MOST_KEYS}</MaxKeys>"
        f"<IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
    )
    return Response(body, content_type="application/xml")


def _checksum(one: FakeKey) -> str:
    algorithm = one.checksum_algorithm
    return f"<ChecksumAlgorithm>{algorithm}</ChecksumAlgorithm>" if algorithm else ""
