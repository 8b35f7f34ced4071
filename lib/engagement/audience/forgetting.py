"""People who are erased are taken out of Customer Profiles, and out of what was noted as sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from engagement.audience import outbox
from engagement.audience.outbox import STARTED, Outbox
from engagement.audience.profile_calls import SERVICE
from engagement.audience.profile_domain import delete_people
from engagement.aws.clients import Service
from engagement.settings import Settings


@dataclass
class Forgotten:
    """What became of people: profiles deleted, rows of what was sent removed, what is left."""

    profiles: int = 0
    rows: int = 0
    left: list[str] = field(default_factory=list)


def forget(settings: Settings, people: Iterable[str]) -> Forgotten:
    """Delete people's profiles, and their rows of what was sent or is being sent.

    Parameters
    ----------
    people
        Their ids in ``marts.customer_360``, and those that they had there before a merge.

    Raises
    ------
    ServiceError
        When the service refused: nothing is noted as gone, and asking again goes on.
    OutboxError
        When a segment is being sent meanwhile.
    """
    found = Forgotten()
    whom = set(people)
    if not whom:
        return found
    boxes = outbox.outboxes(settings.path(settings.run.directory))
    own = settings.activation.customer_profiles.domain or settings.project
    domains = {box.domain for box in boxes if _was_used(box)}
    if settings.activation.send:
        service = Service(SERVICE, settings.activation.customer_profiles.region)
        for domain in sorted({*domains, own}):
            if service.find("GetDomain", DomainName=domain) is not None:
                found.profiles += delete_people(service, domain, sorted(whom))
    else:
        found.left += [
            f"the domain {domain} of Customer Profiles was sent people, and activation.send is not "
            "true: it may hold the person until what was imported expires"
            for domain in sorted(domains)
        ]
    for box in boxes:
        with box.held():
            found.rows += box.forget(whom)
            if any(part.state == STARTED for part in _parts(box)):
                found.left.append(
                    f"an import to the domain {box.domain} is under way and may bring the person "
                    "back: erase again when it has ended"
                )
    return found


def _parts(box: Outbox) -> list[outbox.SendingPart]:
    return [] if box.state.sending is None else box.state.sending.parts


def _was_used(box: Outbox) -> bool:
    """Whether something may have reached the service."""
    return bool(box.state.batch or any(part.job or part.put for part in _parts(box)))
