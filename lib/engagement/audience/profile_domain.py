"""What there has to be in Customer Profiles: the domain, the type of records, the segment.

Each ``ensure_…`` finds, compares, and makes or changes what is different; it leaves alone what
somebody else made, which is told by the tag.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engagement.audience.import_jobs import SendError, Tell
from engagement.audience.profile_calls import ACCOUNT_KEY, MOST_MEMBERS, Target
from engagement.aws.clients import Service, ServiceError
from engagement.aws.waiting import WaitedTooLongError, wait_until


@dataclass(frozen=True)
class ReadBack:
    """What the service says of the segment after a send.

    Attributes
    ----------
    sent
        Members that were sent, without those that failed.
    estimate
        Profiles that the service counts in the segment; ``None`` where it gave no number.
    looked_up, present
        People whose membership was asked for, and how many of them are members.
    """

    sent: int
    estimate: int | None
    looked_up: int
    present: int

    @property
    def agrees(self) -> bool:
        """Whether what was sent is there."""
        return self.present == self.looked_up and self.estimate in (None, self.sent)


MADE = ("created", "updated", "unchanged")
"""What becomes of a domain that was made here."""


def ensure_domain(service: Service, target: Target) -> str:
    """Find the domain, or make it; gives what was done."""
    wanted = target.create_domain()
    found = service.find("GetDomain", DomainName=target.domain)
    if found is None:
        try:
            service.call("CreateDomain", **wanted)
        except ServiceError as error:  # an answer that was lost, and a second try
            if service.find("GetDomain", DomainName=target.domain) is None:
                raise error from None
        return "created"
    if not target.made(found.get("Tags")):
        return "used; it is not this project's and stays as it is"
    different = {
        key: value
        for key, value in wanted.items()
        if key not in ("DomainName", "Tags") and found.get(key) != value
    }
    if different:
        service.call("UpdateDomain", DomainName=target.domain, **different)
        return "updated"
    return "unchanged"


def ensure_object_type(service: Service, target: Target) -> str:
    """Describe single records to the domain, unless that is done; gives what was done.

    Raises
    ------
    SendError
        When there is a type of this name that somebody else made.
    """
    wanted = target.put_object_type()
    name = {"DomainName": target.domain, "ObjectTypeName": target.object_type}
    found = service.find("GetProfileObjectType", **name)
    if found is not None and not target.made(found.get("Tags")):
        raise SendError(
            f"the domain {target.domain} has a type of records {target.object_type} that this "
            "project did not make"
        )
    compared = ("Fields", "Keys", "AllowProfileCreation", "ExpirationDays", "Description")
    if found is not None and all(found.get(key) == wanted[key] for key in compared):
        return "unchanged"
    service.call("PutProfileObjectType", **wanted)
    return "created" if found is None else "updated"


def ensure_segment(service: Service, target: Target, batch: str) -> str:
    """Define the segment of a batch, unless that is done; gives its ARN.

    Raises
    ------
    SendError
        When there is one of this name that somebody else made.
    """
    found = service.find("GetSegmentDefinition", **target.name_segment(batch))
    if found is not None and found.get("SegmentGroups") != target.groups(batch):
        if not target.made(found.get("Tags")):
            raise SendError(
                f"the domain {target.domain} has a segment {target.segment_name(batch)} that "
                "this project did not make"
            )
        # A definition cannot be changed.
        service.call("DeleteSegmentDefinition", **target.name_segment(batch))
        found = None
    if found is None:
        try:
            found = service.call("CreateSegmentDefinition", **target.create_segment(batch))
        except ServiceError as error:
            found = service.find("GetSegmentDefinition", **target.name_segment(batch))
            if found is None or found.get("SegmentGroups") != target.groups(batch):
                raise error from None
    arn: str = found.get("SegmentDefinitionArn", "")
    return arn


def remove_segment(service: Service, target: Target, batch: str) -> bool:
    """Remove the definition of a batch if it was made here; gives whether one was removed."""
    found = service.find("GetSegmentDefinition", **target.name_segment(batch))
    if found is None or not target.made(found.get("Tags")):
        return False
    service.find("DeleteSegmentDefinition", **target.name_segment(batch))
    return True


# --- reading back ---------------------------------------------------------------------------------


def read_back(
    service: Service, target: Target, batch: str, sent: int, people: Sequence[str], tell: Tell
) -> ReadBack:
    """Compare the segment in the service with what was sent.

    Parameters
    ----------
    sent
        How many members it should have.
    people
        Members whose membership is asked for.
    """
    tell("comparing the segment with what was sent")
    ids = []
    for person in people:
        items = service.call("SearchProfiles", **target.search(person)).get("Items", [])
        ids += [item["ProfileId"] for item in items[:1]]
    present = 0
    for start in range(0, len(ids), MOST_MEMBERS):
        answer = service.call(
            "GetSegmentMembership",
            **target.name_segment(batch),
            ProfileIds=ids[start : start + MOST_MEMBERS],
        )
        present += sum(p["QueryResult"] == "PRESENT" for p in answer.get("Profiles", []))
    return ReadBack(sent, _estimate(service, target, batch), len(people), present)


def _estimate(service: Service, target: Target, batch: str) -> int | None:
    begun = service.call("CreateSegmentEstimate", **target.estimate(batch))
    named = {"DomainName": target.domain, "EstimateId": begun["EstimateId"]}

    def look() -> dict[str, Any] | None:
        found = service.call("GetSegmentEstimate", **named)
        return None if found.get("Status") == "RUNNING" else found

    pause = target.settings.poll_seconds
    try:
        found = wait_until(look, "the estimate", seconds=max(60, 20 * pause), pause=pause)
    except WaitedTooLongError:
        return None
    text = found.get("Estimate", "")
    return int(text) if found.get("Status") == "SUCCEEDED" and text.isdigit() else None


def chosen(people: Iterable[tuple[str, str]], number: int) -> tuple[int, list[str]]:
    """How many people there are, and so many of them, the same ones in every run.

    They are those with the smallest hashes of their ids; memory holds no more of them.

    Parameters
    ----------
    people
        Pairs whose first is the person's id.
    """
    count = 0

    def hashed() -> Iterator[tuple[bytes, str]]:
        nonlocal count
        for person, _ in people:
            count += 1
            yield hashlib.blake2b(person.encode(), digest_size=8).digest(), person

    some = heapq.nsmallest(max(number, 1), hashed())
    return count, sorted(person for _, person in some[:number])


# --- people who were erased -----------------------------------------------------------------------


def delete_people(service: Service, domain: str, people: Iterable[str]) -> int:
    """Delete people's profiles with all that is in them; gives how many there were."""
    gone = 0
    for person in people:
        search = {"DomainName": domain, "KeyName": ACCOUNT_KEY, "Values": [person]}
        for profile in list(service.pages("SearchProfiles", "Items", **search)):
            deleted = service.find(
                "DeleteProfile", DomainName=domain, ProfileId=profile["ProfileId"]
            )
            gone += deleted is not None
    return gone
