"""What moto keeps of S3 and Glue, for whoever looks at it past the network.

Its state is plain dictionaries: hold the stand's ``moto_lock`` meanwhile.
"""

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.glue.models import GlueBackend, glue_backends
from moto.s3.models import FakeBucket, FakeKey, S3Backend, s3_backends


def s3() -> S3Backend:
    """All buckets."""
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]


def glue(region: str) -> GlueBackend:
    """The databases of a region."""
    return glue_backends[DEFAULT_ACCOUNT_ID][region]


def live_keys(bucket: FakeBucket, prefix: str) -> list[FakeKey]:
    """Objects whose names begin with a prefix, in order; not their older versions."""
    found = [
        versions[-1]
        for name, versions in dict.items(bucket.keys)
        if name.startswith(prefix) and isinstance(versions[-1], FakeKey)
    ]
    return sorted(found, key=lambda one: one.name)
