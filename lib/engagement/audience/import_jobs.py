"""Bringing files into Customer Profiles: import jobs, and single records for small changes.

What was killed continues with the next send. A file's job is known by its name, which has the
file's sha256 in it; its number is kept as soon as it is known. A job that was started is never
started again, and a file whose job ended well is never imported again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from engagement.audience import outbox
from engagement.audience.customer_profiles import Column
from engagement.audience.deltas import part_columns
from engagement.audience.outbox import DONE, STARTED, UPLOADED, Outbox, SendingPart
from engagement.audience.profile_calls import MOST_PUTS, Target, upload_headers
from engagement.audience.stream import restored, restored_copy
from engagement.audience.uploading import UploadError, put
from engagement.aws.clients import Service, ServiceError
from engagement.aws.waiting import WaitedTooLongError, wait_until
from engagement.errors import FailedError
from engagement.messages import counted

_ADDRESSES = 3
_ENDS = ("SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "STOPPED")
_REASONS = {
    "VALIDATION_FAILURE": "the service found the file or its mapping invalid",
    "INTERNAL_FAILURE": "the service failed by itself",
}

Tell = Callable[[str], None]


class SendError(FailedError):
    """A send that did not get to its end; running it again goes on where it was."""


class Imports:
    """The import of the files of one send.

    Parameters
    ----------
    box
        The send under way is there, and kept there after every step.
    tell
        Is told what goes on.
    """

    def __init__(self, service: Service, target: Target, box: Outbox, tell: Tell) -> None:
        self._service, self._target, self._box, self._tell = service, target, box, tell

    def bring(self, part: SendingPart) -> None:
        """Bring one file, from where it is.

        Raises
        ------
        SendError
            When it failed, or took too long.
        ServiceError
            When the service refused a call.
        """
        if part.state == DONE:
            return
        if part.kind in (outbox.PUTS, outbox.PUTS_LEFT):
            self._check(part)
            self._put(part)
        else:
            self._import(part)

    # --- an import job

    def _import(self, part: SendingPart) -> None:
        found = self._job(part)
        status = found["Status"] if found is not None else ""
        if found is None or (status == "CREATED" and part.state != STARTED):
            self._check(part)
            if found is None:
                self._create(part)
            if part.state != UPLOADED:
                self._upload(part)
            self._start(part)
        self._end(part, self._wait(part))

    def _job(self, part: SendingPart) -> dict[str, Any] | None:
        """The file's job, if there is one: by its number, or by its name if a kill took that."""
        if not part.job:
            named = [
                item
                for item in self._service.pages(
                    "ListUploadJobs", "Items", DomainName=self._target.domain
                )
                # A job's number is noted before it is started: one that went further is another
                # send's, of a file with the same content.
                if item.get("DisplayName") == part.name and item.get("Status") == "CREATED"
            ]
            if not named:
                return None
            part.job = min(item["JobId"] for item in named)
            self._box.save()
        found = self._service.find("GetUploadJob", **self._target.job(part.job))
        if found is None or found.get("Status") in ("FAILED", "STOPPED"):
            # It brought nothing, and a job cannot be used twice.
            self._again(part)
            return None
        return found

    def _again(self, part: SendingPart) -> None:
        """Give the file another job."""
        part.attempt += 1
        stem = part.name.split("~", 1)[0]
        part.name = f"{stem}~{part.attempt}"
        part.job, part.state = "", outbox.WAITING
        self._box.save()

    def _create(self, part: SendingPart) -> None:
        columns = part_columns(self._target, part)
        made = self._service.call(
            "CreateUploadJob", **self._target.create_upload_job(part.name, columns)
        )
        part.job = made["JobId"]
        self._box.save()

    def _upload(self, part: SendingPart) -> None:
        path = self._box.file(part)
        copy = path.with_name(path.name + ".upload")
        try:
            if part.defused:
                restored_copy(path, copy)
                path = copy
            self._tell(f"uploading {part.file}")
            for attempt in range(1, _ADDRESSES + 1):
                try:
                    self._upload_once(part, path)
                    break
                except UploadError as error:
                    if not error.expired or attempt == _ADDRESSES:
                        raise
                    self._tell(f"the upload address of {part.file} expired: asking for another")
        finally:
            copy.unlink(missing_ok=True)
        part.state = UPLOADED
        self._box.save()

    def _upload_once(self, part: SendingPart, path: Path) -> None:
        place = self._service.call("GetUploadJobPath", **self._target.job(part.job))
        until = place.get("ValidUntil")
        if until is not None and until <= datetime.now(UTC):
            raise UploadError(f"{part.file} was not uploaded: the address expired", expired=True)
        put(path, place["Url"], upload_headers(place.get("ClientToken", "")))

    def _start(self, part: SendingPart) -> None:
        try:
            self._service.call("StartUploadJob", **self._target.job(part.job))
        except ServiceError:
            # Its answer may have been lost, and this one be about a job that runs already.
            found = self._service.find("GetUploadJob", **self._target.job(part.job))
            if found is None or found.get("Status") == "CREATED":
                raise
        part.state = STARTED
        self._box.save()

    def _wait(self, part: SendingPart) -> dict[str, Any]:
        settings = self._target.settings

        def look() -> dict[str, Any] | None:
            found = self._service.call("GetUploadJob", **self._target.job(part.job))
            return found if found["Status"] in _ENDS else None

        def meanwhile(waited: float) -> None:
            self._tell(f"importing {part.file}: {waited:.0f} s so far")

        try:
            return wait_until(
                look,
                f"the import of {part.file} to end",
                seconds=settings.wait_minutes * 60,
                pause=settings.poll_seconds,
                longest=max(settings.poll_seconds, 30),
                meanwhile=meanwhile,
            )
        except WaitedTooLongError:
            raise SendError(
                f"the import of {part.file} did not end within {settings.wait_minutes:g} minutes. "
                "It may still: send again to go on waiting for it; nothing is imported twice"
            ) from None

    def _end(self, part: SendingPart, found: dict[str, Any]) -> None:
        status = found["Status"]
        if status in ("FAILED", "STOPPED"):
            reason = _REASONS.get(found.get("StatusReason", ""), "the service gave no reason")
            self._again(part)
            raise SendError(
                f"the import of {part.file} ended as {status}: {reason}. Nothing of the file "
                "counts as sent; send again to import it with a new job"
            )
        summary = found.get("ResultsSummary", {})
        part.created = summary.get("CreatedRecords", 0)
        part.updated = summary.get("UpdatedRecords", 0)
        part.failed = summary.get("FailedRecords", 0)
        part.outcome = status
        if part.failed:
            self._find_failed(part)
        part.state = DONE
        self._box.save()

    # --- single records

    def _put(self, part: SendingPart) -> None:
        """Put records ten by ten; to put one a second time changes nothing."""
        self._tell(f"putting {counted(part.rows, 'record')}")
        failed: list[str] = []
        for number, batch in enumerate(_batches(self._records(part), MOST_PUTS)):
            if (number + 1) * MOST_PUTS <= part.put:
                continue
            answer = self._service.call(
                "BatchPutProfileObject", **self._target.put_records([r for _, r in batch])
            )
            lost = {item["Id"] for item in answer.get("Failed", [])}
            failed = [person for n, (person, _) in enumerate(batch) if f"r{n}" in lost]
            part.failed += len(failed)
            part.updated += len(batch) - len(failed)
            if failed:
                self._box.note_failed(failed)
            part.put = number * MOST_PUTS + len(batch)
            self._box.save()
        part.state = DONE
        part.outcome = "PARTIALLY_SUCCEEDED" if part.failed else "SUCCEEDED"
        self._box.save()

    def _records(self, part: SendingPart) -> Iterator[tuple[str, dict[str, str]]]:
        names = [column.name for column in part_columns(self._target, part)]
        for person, row in outbox.members([self._box.file(part)]):
            yield person, dict(zip(names, map(restored, row), strict=True))

    # --- what failed

    def _find_failed(self, part: SendingPart) -> None:
        """Find whose records failed: people whose profiles lack what the file says.

        The service tells only how many failed, so profiles are looked up until all are found. A
        profile with another batch did not get its record. In one that had the batch before, every
        value is compared; the service may write values in its own way, so if more profiles differ
        than records failed, nobody is taken for one of them.
        """
        columns = part_columns(self._target, part)
        lacking: list[str] = []
        unlike: list[str] = []
        for number, (person, record) in enumerate(self._records(part)):
            if len(lacking) == part.failed or number == self._target.settings.look_for_failed:
                break
            profile = find_profile(self._service, self._target, person, columns[1])
            if _value(profile, columns[1]) != record[columns[1].name]:
                lacking.append(person)
            elif any(not _has(profile, column, record[column.name]) for column in columns[2:]):
                unlike.append(person)
        found = lacking
        if len(lacking) + len(unlike) <= part.failed:
            found = [*lacking, *unlike]
        part.lost = part.failed - len(found)
        self._box.note_failed(found)

    def _check(self, part: SendingPart) -> None:
        path = self._box.file(part)
        if not path.is_file() or outbox.digest(path) != part.sha256:
            raise SendError(
                f"{part.file} of the send under way is gone or was changed: "
                "'engagement audience send --afresh' forgets that send and sends everybody"
            )


def find_profile(service: Service, target: Target, person: str, batch: Column) -> dict[str, Any]:
    """A person's profile, empty where there is none; of several, one that has a batch."""
    found: list[dict[str, Any]] = service.call("SearchProfiles", **target.search(person)).get(
        "Items", []
    )
    with_batch = [profile for profile in found if _value(profile, batch) is not None]
    return next(iter([*with_batch, *found]), {})


def _value(profile: dict[str, Any], column: Column) -> str | None:
    """What a profile has where a column goes to."""
    place, _, inner = column.target.removeprefix("_profile.").partition(".")
    found = profile.get(place)
    if inner:
        found = (found or {}).get(inner)
    return None if found is None else str(found)


def _has(profile: dict[str, Any], column: Column, value: str) -> bool:
    """Whether a profile has a value of a file; an empty one is left out of every record."""
    found = _value(profile, column)
    if value in ("", found):
        return True
    if found is None or column.content_type != "NUMBER":
        return False
    try:
        return Decimal(found) == Decimal(value)
    except InvalidOperation:
        return False


def _batches(
    rows: Iterator[tuple[str, dict[str, str]]], size: int
) -> Iterator[Sequence[tuple[str, dict[str, str]]]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
