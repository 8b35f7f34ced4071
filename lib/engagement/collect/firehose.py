"""Segments put to a Kinesis Data Firehose stream, as RudderStack's Firehose destination does."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engagement.collect.delivery import DeliveryError
from engagement.collect.journal import frames

logger = logging.getLogger("engagement")

_MOST_RECORDS = 500
_MOST_BYTES = 4 * 1024 * 1024
_ATTEMPTS = 6
_FIRST_PAUSE = 0.2


class FirehoseStream:
    """Puts each event as one record, without a line end: RudderStack appends none either.

    Delivery is at least once: a segment that was put when the process was killed is put again.

    Parameters
    ----------
    name
        The delivery stream. It partitions by the date of ``receivedAt`` itself.
    client
        A boto3 client of Firehose.
    """

    def __init__(self, name: str, client: Any, pause: float = _FIRST_PAUSE) -> None:
        self.name = name
        self._client = client
        self._pause = pause
        self._put: tuple[str, int] = ("", 0)  # a segment, and how many of its batches were taken

    def deliver(self, segment: Path) -> None:
        """Put all events of a segment, those that the stream refuses again.

        Raises
        ------
        DeliveryError
            When some are still refused after several attempts, or the stream cannot be reached.
            The next attempt goes on with the batch that failed.
        """
        done = self._put[1] if self._put[0] == segment.name else 0
        for place, batch in enumerate(_batches(segment)):
            if place >= done:
                self._put_all(batch)
                self._put = (segment.name, place + 1)

    def _put_all(self, records: list[bytes]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        pause, why = self._pause, ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(pause)
                pause *= 2
            try:
                answer = self._client.put_record_batch(
                    DeliveryStreamName=self.name, Records=[{"Data": data} for data in records]
                )
            except (BotoCoreError, ClientError) as error:
                raise DeliveryError(
                    f"the stream {self.name} takes no events: {_reason(error)}"
                ) from error
            if not answer["FailedPutCount"]:
                return
            results = answer["RequestResponses"]
            records = [
                data
                for data, result in zip(records, results, strict=True)
                if result.get("ErrorCode")
            ]
            why = next(result["ErrorCode"] for result in results if result.get("ErrorCode"))
        raise DeliveryError(
            f"the stream {self.name} refused {len(records)} events {_ATTEMPTS} times ({why})"
        )


def _reason(error: Exception) -> str:
    """What AWS calls an error; its message may quote what was sent."""
    response = getattr(error, "response", None)
    return str(response["Error"]["Code"]) if response else type(error).__name__


def _batches(segment: Path) -> Iterator[list[bytes]]:
    lines = itertools.chain.from_iterable(frame.lines.splitlines() for frame in frames(segment))
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and (len(batch) == _MOST_RECORDS or size + len(line) > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    if batch:
        yield batch
