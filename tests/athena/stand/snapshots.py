"""What a test made on the stand, kept so that others begin with it: a copy is cheaper than a run.

Objects and entries of the catalog are all there is: Trino keeps nothing of its own between
statements.
"""

import copy
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from moto.glue.models import FakeDatabase

from . import moto_state


@dataclass(frozen=True)
class Snapshot:
    """A prefix of a bucket and the databases of one name, as they once were.

    Attributes
    ----------
    name : str
        Objects are those below ``<name>/``, databases those called ``<name>_…``.
    objects : mapping of str to bytes
        Bodies by key. When an object was written is not kept, nor are older versions.
    databases : mapping of str to FakeDatabase
        With their tables and partitions.
    """

    name: str
    objects: Mapping[str, bytes]
    databases: Mapping[str, FakeDatabase]


class Snapshots:
    """Takes them, and puts a name back to what one holds, while nobody else uses it.

    Parameters
    ----------
    region : str
        Where the databases are.
    bucket : str
        Where the objects are.
    lock : RLock
        Held while moto's state is read or changed.
    """

    def __init__(self, region: str, bucket: str, lock: threading.RLock) -> None:
        self._region = region
        self._bucket = bucket
        self._lock = lock

    def take(self, name: str) -> Snapshot:
        """Copy what there is under a name."""
        with self._lock:
            found = moto_state.live_keys(moto_state.s3().get_bucket(self._bucket), f"{name}/")
            return Snapshot(
                name, {one.name: one.value for one in found}, copy.deepcopy(self._databases(name))
            )

    def restore(self, snapshot: Snapshot) -> None:
        """Let there be what the snapshot holds, and nothing else, under its name."""
        with self._lock:
            for one in moto_state.live_keys(
                moto_state.s3().get_bucket(self._bucket), f"{snapshot.name}/"
            ):
                moto_state.s3().delete_object(self._bucket, one.name)
            for key, body in snapshot.objects.items():
                moto_state.s3().put_object(self._bucket, key, body)
            for database in self._databases(snapshot.name):
                del moto_state.glue(self._region).databases[database]
            moto_state.glue(self._region).databases.update(copy.deepcopy(dict(snapshot.databases)))

    def _databases(self, name: str) -> dict[str, FakeDatabase]:
        return {
            database: kept
            for database, kept in moto_state.glue(self._region).databases.items()
            if database.startswith(f"{name}_")
        }
