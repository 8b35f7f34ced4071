"""The calls that a send would make, checked against the services' models and written to files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from engagement.audience import campaigns, deltas, outbox
from engagement.audience.customer_profiles import Export
from engagement.audience.outbox import Sending, SendingPart
from engagement.audience.profile_calls import MOST_PUTS, SERVICE, Target
from engagement.audience.sending import Sender
from engagement.aws import requests
from engagement.aws.requests import Call, People, Planned, Upload
from engagement.aws.service_model import Later

TOPIC = "audience"
"""Folder, below ``requests``, of the calls."""

_URL = Later("Url of GetUploadJobPath")
_TOKEN = Later("ClientToken of GetUploadJobPath")
_MD5 = Later("MD5 of the ClientToken of GetUploadJobPath")


def plan(
    sender: Sender, export: Export, as_of: date, folder: Path, *, today: date | None = None
) -> list[Planned]:
    """Write what :meth:`Sender.send` would call now to ``<folder>/audience/``; nothing is sent.

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
    box = sender.box
    day = today or datetime.now(UTC).date()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as room:
        sending = deltas.prepare(box, sender.target, export, as_of, day, Path(room))
    planned = list(calls(sender, sending))
    requests.write(folder, TOPIC, planned)
    return planned


def calls(sender: Sender, sending: Sending) -> Iterator[Planned]:
    """The calls of a send, in their order."""
    target = sender.target
    yield _call("CreateDomain", target.create_domain(), "The domain, unless it is there.")
    kinds = {part.kind for part in sending.parts}
    if kinds & {outbox.PUTS, outbox.PUTS_LEFT}:
        why = "How single records become profiles, unless that is known."
        yield _call("PutProfileObjectType", target.put_object_type(), why)
    for part in sending.parts:
        if part.kind in (outbox.PUTS, outbox.PUTS_LEFT):
            yield _put(target, part)
        else:
            yield from _import(target, part)
    yield from _segment(target, sending)
    campaign = sender.settings.activation.campaign
    if campaign is not None:
        arn = Later("SegmentDefinitionArn of CreateSegmentDefinition")
        wanted = campaigns.create_campaign(target, campaign, arn)
        why = "The campaign to the segment, unless it is there; it is not started."
        yield Call(campaigns.SERVICE, "CreateCampaign", wanted, why)
        if campaign.started:
            id_ = Later("id of CreateCampaign")
            yield Call(campaigns.SERVICE, "StartCampaign", {"id": id_}, "The parameters say so.")


def _call(operation: str, parameters: Mapping[str, Any], why: str) -> Call:
    return Call(SERVICE, operation, parameters, why)


def _people(part: SendingPart, calls: int = 1) -> People:
    return People(part.rows, part.file, part.sha256, calls)


def _put(target: Target, part: SendingPart) -> Call:
    sample = {column.name: "…" for column in deltas.part_columns(target, part)}
    return Call(
        SERVICE,
        "BatchPutProfileObject",
        target.put_records([sample]),
        "Few are different: they are put, ten in a call.",
        _people(part, -(-part.rows // MOST_PUTS)),
    )


def _import(target: Target, part: SendingPart) -> Iterator[Planned]:
    job = target.job(Later("JobId of CreateUploadJob"))
    columns = deltas.part_columns(target, part)
    made = target.create_upload_job(part.name, columns)
    yield _call("CreateUploadJob", made, "An import of one file.")
    yield _call("GetUploadJobPath", job, "Where the file goes, and the key to encrypt it with.")
    headers = {
        "x-amz-server-side-encryption-customer-algorithm": "AES256",
        "x-amz-server-side-encryption-customer-key": _TOKEN,
        "x-amz-server-side-encryption-customer-key-MD5": _MD5,
    }
    yield Upload("UploadFile", _URL, _people(part), headers, why="The file itself.")
    yield _call("StartUploadJob", job, "The import begins.")
    yield _call("GetUploadJob", job, "Asked until the import has ended.")


def _segment(target: Target, sending: Sending) -> Iterator[Planned]:
    why = "Who is in: profiles whose attribute has the batch. Unless it is there."
    yield _call("CreateSegmentDefinition", target.create_segment(sending.batch), why)
    yield _call("CreateSegmentEstimate", target.estimate(sending.batch), "How many are in it now.")
    estimate = {"DomainName": target.domain, "EstimateId": Later("EstimateId")}
    yield _call("GetSegmentEstimate", estimate, "Asked until there is a number.")
    some = min(target.settings.check_people, sending.people)
    if not some:
        return
    people = People(some, "members that were sent", "", some)
    yield Call(
        SERVICE,
        "SearchProfiles",
        target.search("…"),
        "The profiles of some people that were sent.",
        people,
        hidden=("Values",),
    )
    yield Call(
        SERVICE,
        "GetSegmentMembership",
        {
            **target.name_segment(sending.batch),
            "ProfileIds": [Later("ProfileId of SearchProfiles")],
        },
        "Whether they are in the segment.",
        People(some, "members that were sent", "", -(-some // 100)),
    )
