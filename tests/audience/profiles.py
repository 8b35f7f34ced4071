"""Members of a segment by hand, and a sender that reaches the fakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from engagement.audience import customer_profiles
from engagement.audience.customer_profiles import Export
from engagement.audience.segments import Segment
from engagement.audience.sending import Report, Sender
from engagement.audience.stream import Format
from engagement.settings import Settings
from tests.fakes import Fakes
from tests.fakes.connect_campaigns import ConnectCampaignsFake
from tests.fakes.customer_profiles import CustomerProfilesFake

ARN = "arn:aws:{}:eu-central-1:111122223333:{}"

CAMPAIGN = {
    "instance": ARN.format("connect", "instance/0a1b"),
    "flow": ARN.format("connect", "instance/0a1b/contact-flow/f"),
    "template": ARN.format("wisdom", "message-template/t"),
    "channel": "email",
    "from_address": "hello@planted-shop.example",
    "start": "2026-02-02T08:00:00",
    "end": "2026-03-01T00:00:00",
}

SEGMENT = Segment(
    name="win_back",
    description="People to win back.",
    where="true",
    channels=("email", "sms"),
    metrics=("spend_total",),
)

MON, TUE, WED = date(2026, 2, 2), date(2026, 2, 3), date(2026, 2, 4)

Row = dict[str, Any]
NAMES = [c.name for c in customer_profiles.columns(SEGMENT) if c.name != customer_profiles.BATCH]


def member(id_: str, **more: Any) -> Row:
    """Somebody who can be reached by mail and by text message."""
    number = sum(ord(letter) for letter in id_) % 90 + 10
    row = {
        "person_id": id_,
        "email": f"{id_}@planted.example",
        "phone": f"+155501000{number}",
        "first_name": id_.title(),
        "spend_total": "10.00",
    }
    return dict.fromkeys(NAMES) | row | more


def members(*ids: str, **more: Any) -> list[Row]:
    """Several of them, in the order of their ids."""
    return [member(id_, **more) for id_ in sorted(ids)]


@dataclass
class Shop:
    """A sender, the fakes that it reaches, and what it said."""

    settings: Settings
    fakes: Fakes
    profiles: CustomerProfilesFake
    campaigns: ConnectCampaignsFake
    folder: Path
    make_settings: Callable[..., Settings]
    overrides: dict[str, Any]
    said: list[str] = field(default_factory=list)
    called: list[str] = field(default_factory=list)

    def change(self, **overrides: Any) -> None:
        """Change parameters; the services stay as they are."""
        self.overrides = {**self.overrides, **overrides}
        self.settings = self.make_settings(**self.overrides)

    @property
    def sender(self) -> Sender:
        return Sender(self.settings, SEGMENT, self.said.append, self.called.append)

    def export(self, rows: Sequence[Row], as_of: date = MON) -> Export:
        """The members of a day, in files, three in a frame."""
        return customer_profiles.export_members(
            SEGMENT,
            customer_profiles.batch_name(SEGMENT, as_of),
            _frames(rows),
            self.folder / as_of.isoformat() / "customer_profiles",
            self.folder / as_of.isoformat() / "rejects",
            Format(most_bytes=self.settings.activation.customer_profiles.part_bytes),
        )

    def send(
        self, rows: Sequence[Row], as_of: date = MON, today: date | None = None, **how: Any
    ) -> Report:
        """Send the members of a day."""
        rejects = self.folder / as_of.isoformat() / "rejects"
        export = self.export(rows, as_of)
        return self.sender.send(export, as_of, rejects, today=today or as_of, **how)

    def inside(self) -> list[str]:
        """Who is in the segment, as the service has it."""
        return self.profiles.members(self.sender.box.state.batch)


def _frames(rows: Sequence[Row], size: int = 3) -> Iterator[pd.DataFrame]:
    for start in range(0, len(rows), size):
        yield pd.DataFrame(rows[start : start + size], columns=NAMES)


def shop(
    make_settings: Callable[..., Settings],
    use_fakes: Callable[..., Fakes],
    folder: Path,
    **overrides: Any,
) -> Shop:
    """A shop whose parameters let it send, without waiting between looks."""
    quick = {
        "activation__send": True,
        "activation__customer_profiles__poll_seconds": 0.01,
        "activation__customer_profiles__wait_minutes": 0.01,
        "activation__customer_profiles__puts_up_to": 0,
        "activation__customer_profiles__check_people": 3,
        "activation__customer_profiles__most_failed": 0.5,
    }
    profiles, campaigns = CustomerProfilesFake(), ConnectCampaignsFake()
    fakes = use_fakes(profiles, campaigns)
    every = {**quick, **overrides}
    settings = make_settings(**every)
    return Shop(settings, fakes, profiles, campaigns, folder / "exports", make_settings, every)
