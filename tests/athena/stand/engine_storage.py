"""What Athena itself asks of S3 and Glue, for every statement: put to moto without the network.

A statement has its folder looked at, its files listed and its result stored. Over the network each
of these calls takes longer than what it asks for. They are counted all the same, and faults meet
them as they meet any other call.
"""

import threading
from typing import Any

from botocore.exceptions import ClientError
from moto.core.exceptions import JsonRESTError

from . import moto_state
from .access import ENGINE_AGENT
from .faults import Call, Faults


class EngineStorage:
    """S3 and Glue for Athena's own calls.

    Parameters
    ----------
    region : str
        Where Glue's databases are.
    faults : Faults
        Asked about every call.
    lock : RLock
        Held while moto's state is read or changed.
    """

    def __init__(self, region: str, faults: Faults, lock: threading.RLock) -> None:
        self._region = region
        self._faults = faults
        self._lock = lock

    def has_bucket(self, location: str) -> bool:
        """Whether there is the bucket of an address."""
        bucket, _ = split_location(location)
        self._call("s3", "HeadBucket", bucket)
        with self._lock:
            return bucket in moto_state.s3().buckets

    def files(self, location: str) -> list[str]:
        """Addresses of the objects in a folder."""
        bucket, key = split_location(location)
        self._call("s3", "ListObjectsV2", bucket)
        with self._lock:
            found = moto_state.live_keys(moto_state.s3().get_bucket(bucket), key.rstrip("/") + "/")
        return [f"s3://{bucket}/{one.name}" for one in found]

    def put(self, location: str, body: bytes) -> None:
        """Store an object."""
        bucket, key = split_location(location)
        self._call("s3", "PutObject", f"{bucket}/{key}")
        with self._lock:
            moto_state.s3().put_object(bucket, key, body)

    def table(self, database: str, name: str) -> dict[str, Any] | None:
        """A table as Glue keeps it; ``None`` where there is none."""
        self._call("glue", "GetTable", parameters={"DatabaseName": database, "Name": name})
        with self._lock:
            try:
                table = moto_state.glue(self._region).get_table(database, name)
            except JsonRESTError:  # neither table nor database
                return None
            found: dict[str, Any] = table.as_dict()
        return found

    def _call(
        self,
        service: str,
        operation: str,
        resource: str = "",
        parameters: dict[str, Any] | None = None,
    ) -> None:
        """Count a call, and let a fault fail it."""
        failure = self._faults.check(
            Call(service, operation, "engine", resource, parameters or {}, agent=ENGINE_AGENT)
        )
        if failure is not None:
            error = {"Code": failure.code, "Message": failure.message}
            raise ClientError({"Error": error}, operation)


def split_location(location: str) -> tuple[str, str]:
    """Bucket and key of an address."""
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key
