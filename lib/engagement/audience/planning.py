"""The calls that a send would make, checked against the services' models and written to files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from engagement.audience import campaigns, customer_profiles, deltas, outbox
from engagement.audience.customer_profiles import Export
from engagement.audience.outbox import Sending, SendingPart, State
from engagement.audience.profile_calls import MOST_MEMBERS, MOST_PUTS, SERVICE, Target
from engagement.audience.remembered import (
    CAMPAIGN,
    DOMAIN,
    FOREIGN,
    RECORDS,
    SEGMENT,
    different,
)
from engagement.audience.sending import Sender
from engagement.aws import requests
from engagement.aws.requests import Call, People, Planned, Upload
from engagement.aws.service_model import Later
from engagement.settings.activation import Campaign

TOPIC = "audience"
"""Folder, below ``requests``, of the calls."""

_URL = Later("Url of GetUploadJobPath")
_TOKEN = Later("ClientToken of GetUploadJobPath")
_MD5 = Later("MD5 of the ClientToken of GetUploadJobPath")


def plan(
    sender: Sender, export: Export, as_of: date, folder: Path, *, today: date | None = None
) -> list[Planned]:
    """Write what :meth:`Sender.send` would call now to ``<folder>/audience/``; nothing is sent.

    It is worked out from what earlier sends have kept, without a look at the services.

    Parameters
    ----------
    export
        All members as of the day.
    folder
        ``requests`` in the run's folder.

    Returns
    -------
    list of Call or Upload
        The calls in their order; those that only look (is it there?) are left out.

    Raises
    ------
    RequestError
        When a service would refuse one of them.
    """
    day = today or datetime.now(UTC).date()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as room:
        planned = list(calls(sender, export, as_of, day, Path(room)))
    requests.write(folder, TOPIC, planned)
    return planned


def calls(
    sender: Sender, export: Export, as_of: date, today: date, room: Path
) -> Iterator[Planned]:
    """The calls of a send, in their order.

    Parameters
    ----------
    room
        A folder for what would be sent.
    """
    target, box = sender.target, sender.box
    yield from _domain(target, box.state)
    left = box.state.sending
    has_records = False
    if left is not None:  # a send that broke off is finished first
        yield from _bring(target, box.state, left)
        has_records = _has_records(left)
        names = [column.name for column in customer_profiles.columns(target.segment)]
        box = box.after(room / "after", names, today.isoformat())
    state = box.state
    batch, older = state.batch, state.older
    if sender.is_different(state, export, today):
        sending = deltas.prepare(box, target, export, as_of, today, room / "files")
        if has_records:
            state.remember(RECORDS, target.put_object_type())
        yield from _bring(target, state, sending)
        people = sending.people
        if sending.mode == "full":
            gone = dict.fromkeys([*older, batch])
            older = [one for one in gone if one not in ("", sending.batch)]
            batch = sending.batch
    else:
        people = sum(1 for _ in outbox.ledger(box.sent))
    if not batch:
        return
    is_new = bool(different({"batch": batch}, state.recall(SEGMENT)))
    yield from _segment(target, batch, people, is_new=is_new)
    campaign = sender.settings.activation.campaign
    if campaign is not None:
        arn = f"SegmentDefinitionArn of {'Create' if is_new else 'Get'}SegmentDefinition"
        yield from _campaign(target, campaign, batch, Later(arn), state.recall(CAMPAIGN))
    for one in older:
        why = "The definition of an earlier batch, if it was made here."
        yield _call("DeleteSegmentDefinition", target.name_segment(one), why)


def _domain(target: Target, state: State) -> Iterator[Planned]:
    wanted, kept = target.create_domain(), state.recall(DOMAIN)
    changed = different(wanted, kept)
    if not kept:
        yield _call("CreateDomain", wanted, "The domain, unless it is there.")
    elif changed and kept != FOREIGN:
        named = {"DomainName": target.domain, **changed}
        yield _call("UpdateDomain", named, "The parameters are others than last time.")


def _has_records(sending: Sending) -> bool:
    return any(part.kind in (outbox.PUTS, outbox.PUTS_LEFT) for part in sending.parts)


def _bring(target: Target, state: State, sending: Sending) -> Iterator[Planned]:
    """What brings the files of a send, from where each is."""
    wanted = target.put_object_type()
    if _has_records(sending) and different(wanted, state.recall(RECORDS)):
        why = "How single records become profiles, unless that is known."
        yield _call("PutProfileObjectType", wanted, why)
    for part in sending.parts:
        if part.state == outbox.DONE:
            continue
        if part.kind in (outbox.PUTS, outbox.PUTS_LEFT):
            yield _put(target, part)
        else:
            yield from _import(target, part)


def _campaign(
    target: Target, campaign: Campaign, batch: str, arn: str, kept: Mapping[str, str]
) -> Iterator[Planned]:
    wanted = campaigns.create_campaign(target, campaign, arn)
    changed = different(campaigns.parts(wanted, batch), kept)
    if "instance" in changed:
        why = "The campaign to the segment, unless it is there; it is not started."
        yield Call(campaigns.SERVICE, "CreateCampaign", wanted, why)
        id_: Any = Later("id of CreateCampaign")
    else:
        id_ = kept["id"]
        for part, operation in campaigns.UPDATES.items():
            if part in changed:
                why = "It is other than last time."
                yield Call(campaigns.SERVICE, operation, {"id": id_, part: wanted[part]}, why)
    if campaign.started and ("instance" in changed or not kept["started"]):
        yield Call(campaigns.SERVICE, "StartCampaign", {"id": id_}, "The parameters say so.")


def _call(operation: str, parameters: Mapping[str, Any], why: str) -> Call:
    return Call(SERVICE, operation, parameters, why)


def _put(target: Target, part: SendingPart) -> Call:
    sample = {column.name: "…" for column in deltas.part_columns(target, part)}
    left = part.rows - part.put
    return Call(
        SERVICE,
        "BatchPutProfileObject",
        target.put_records([sample]),
        "Few are different: they are put, ten in a call.",
        People(left, part.file, part.sha256, -(-left // MOST_PUTS)),
    )


def _import(target: Target, part: SendingPart) -> Iterator[Planned]:
    job = target.job(part.job or Later("JobId of CreateUploadJob"))
    if not part.job:
        columns = deltas.part_columns(target, part)
        made = target.create_upload_job(part.name, columns)
        yield _call("CreateUploadJob", made, "An import of one file.")
    if part.state == outbox.WAITING:
        yield _call("GetUploadJobPath", job, "Where the file goes, and the key to encrypt it with.")
        headers = {
            "x-amz-server-side-encryption-customer-algorithm": "AES256",
            "x-amz-server-side-encryption-customer-key": _TOKEN,
            "x-amz-server-side-encryption-customer-key-MD5": _MD5,
        }
        people = People(part.rows, part.file, part.sha256)
        yield Upload("UploadFile", _URL, people, headers, why="The file itself.")
    if part.state != outbox.STARTED:
        yield _call("StartUploadJob", job, "The import begins.")
    yield _call("GetUploadJob", job, "Asked until the import has ended.")


def _segment(target: Target, batch: str, sent: int, *, is_new: bool) -> Iterator[Planned]:
    if is_new:
        why = "Who is in: profiles whose attribute has the batch. Unless it is there."
        yield _call("CreateSegmentDefinition", target.create_segment(batch), why)
    some = min(target.settings.check_people, sent)
    if some:
        yield Call(
            SERVICE,
            "SearchProfiles",
            target.search("…"),
            "The profiles of some people that were sent.",
            People(some, "members that were sent", "", some),
            hidden=("Values",),
        )
        asked = {
            **target.name_segment(batch),
            "ProfileIds": [Later("ProfileId of SearchProfiles")],
        }
        yield Call(
            SERVICE,
            "GetSegmentMembership",
            asked,
            "Whether they are in the segment.",
            People(some, "members that were sent", "", -(-some // MOST_MEMBERS)),
        )
    yield _call("CreateSegmentEstimate", target.estimate(batch), "How many are in it now.")
    estimate = {"DomainName": target.domain, "EstimateId": Later("EstimateId")}
    yield _call("GetSegmentEstimate", estimate, "Asked until there is a number.")
