"""Keep two runs of one project from writing at once: a conditional object beside the tables.

Whoever creates the object holds the lease, and writes it again every now and then to show that it
is alive. Its age is told by S3's own clock. A lease whose holder fell silent may be taken over, on
the condition that the object is still the one that was seen.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from engagement.aws.s3 import Address, error_code
from engagement.warehouse.athena.errors import problem
from engagement.warehouse.errors import LeaseHeldError, WarehouseError
from engagement.warehouse.lease import TOKEN_VARIABLE, signs_of_life

logger = logging.getLogger("engagement")

_TAKEN = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
_MISSING = {"NoSuchKey", "404", "NotFound"}


@dataclass(frozen=True)
class _Seen:
    note: dict[str, str]
    tag: str
    silent_seconds: float


class S3Lease:
    """The lease of one project's tables.

    Parameters
    ----------
    seconds
        How long a holder may fall silent before others take over.
    """

    def __init__(self, client: Any, at: Address, seconds: float) -> None:
        self._client = client
        self._at = at
        self._seconds = seconds

    @contextmanager
    def hold(self, holder: str) -> Iterator[str]:
        """Hold the lease while the block lasts; gives its token.

        Raises
        ------
        LeaseHeldError
            When another run holds it: who, and since when.
        """
        inherited = os.environ.get(TOKEN_VARIABLE)
        if inherited:
            seen = self._look()
            if seen and seen.note.get("token") == inherited:
                yield inherited
                return
        token = secrets.token_hex(8)
        note = {
            "holder": holder,
            "process": str(os.getpid()),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "token": token,
        }
        self._take(note)
        try:
            with signs_of_life(lambda: self._is_alive(note), self._seconds / 4):
                yield token
        finally:
            self._let_go(token)

    def check(self, token: str) -> None:
        """Make sure that the lease is still the one of this token.

        Raises
        ------
        LeaseHeldError
            When it is not: whoever took it over writes now, and this run must not.
        """
        seen = self._look()
        held_by = seen.note.get("holder", "another run") if seen else "nobody"
        if seen is None or seen.note.get("token") != token or seen.silent_seconds > self._seconds:
            raise LeaseHeldError(
                f"this run's lease of {self._at} is gone (held by {held_by}): nothing more was "
                "published. Run it again."
            )

    def holder(self) -> dict[str, str]:
        """Who holds the lease now: ``holder, process, since``; empty where nobody does."""
        seen = self._look()
        if seen is None or seen.silent_seconds > self._seconds:
            return {}
        return {key: value for key, value in seen.note.items() if key != "token"}

    # --- inside

    def _take(self, note: dict[str, str]) -> None:
        for _ in range(3):
            if self._put(note, {"IfNoneMatch": "*"}):
                return
            seen = self._look()
            if seen is None:
                continue  # it was let go of just now
            if seen.silent_seconds <= self._seconds:
                raise self._held(seen)
            logger.warning(
                "%s was silent for %.0f s: taking over its lease",
                seen.note.get("holder", "another run"),
                seen.silent_seconds,
            )
            if self._put(note, {"IfMatch": seen.tag}):
                return
        seen = self._look()
        raise self._held(seen or _Seen({}, "", 0.0))

    def _held(self, seen: _Seen) -> LeaseHeldError:
        return LeaseHeldError(
            f"the tables are being written by {seen.note.get('holder', 'another run')} (process "
            f"{seen.note.get('process', 'unknown')}) since {seen.note.get('since', 'just now')}. "
            f"Wait until it has ended, or stop it; a killed run's lease ends {self._seconds:g} s "
            f"after its last sign of life ({seen.silent_seconds:.0f} s ago)."
        )

    def _look(self) -> _Seen | None:
        try:
            answer = self._client.get_object(Bucket=self._at.bucket, Key=self._at.key)
            content = json.loads(answer["Body"].read())
        except (ClientError, BotoCoreError) as error:
            if error_code(error) in _MISSING:
                return None
            raise problem(f"the lease {self._at} cannot be read", error) from error
        except ValueError:
            raise WarehouseError(f"{self._at} is no lease: remove that object") from None
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        silent = (now - answer["LastModified"]).total_seconds()
        note = {str(key): str(value) for key, value in content.items()}
        return _Seen(note, answer["ETag"], max(0.0, silent))

    def _put(self, note: dict[str, str], condition: dict[str, str]) -> bool:
        """Write the object on a condition; false where it is not met any more.

        Where the answer was lost the object may be there all the same, and the same call, which is
        made again by itself, meets the object that it has made: its content tells whose it is.
        """
        # Something that changes each time, so that the tag does.
        beat = secrets.token_hex(8)
        body = json.dumps({**note, "beat": beat}).encode()
        try:
            self._client.put_object(
                Bucket=self._at.bucket, Key=self._at.key, Body=body, **condition
            )
        except (ClientError, BotoCoreError) as error:
            if self._is_there(beat):
                return True
            if error_code(error) in _TAKEN | _MISSING:
                return False
            raise problem(f"the lease {self._at} cannot be written", error) from error
        return True

    def _is_there(self, beat: str) -> bool:
        try:
            seen = self._look()
        except WarehouseError:
            return False  # the error that led here is the one to be told
        return seen is not None and seen.note.get("beat") == beat

    def _is_alive(self, note: dict[str, str]) -> bool:
        """Give a sign of life; false where the lease is another's."""
        try:
            seen = self._look()
            if seen is None or seen.note.get("token") != note["token"]:
                return False
            self._put(note, {"IfMatch": seen.tag})
        except WarehouseError as error:
            # The next beat may succeed; if none does, check() stops the run.
            logger.warning("%s", error)
        return True

    def _let_go(self, token: str) -> None:
        try:
            seen = self._look()
            if seen and seen.note.get("token") == token:
                # Whoever takes it over in this moment keeps it.
                self._client.delete_object(
                    Bucket=self._at.bucket, Key=self._at.key, IfMatch=seen.tag
                )
        except (ClientError, BotoCoreError, WarehouseError) as error:
            if error_code(error) not in _TAKEN | _MISSING:
                logger.warning("the lease %s was not let go of: %s", self._at, error)
