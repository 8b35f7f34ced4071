"""A segment goes to Customer Profiles: planned, sent, looked at, taken down.

``plan`` writes the calls and sends none. ``send`` brings what is different since the last send,
defines the segment, compares it with what was sent, and sees to the campaign. Killed at any point,
it continues where it was when it is run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from engagement.audience import campaigns, customer_profiles, deltas, outbox
from engagement.audience.customer_profiles import Export
from engagement.audience.files import Reject, write_rejects
from engagement.audience.import_jobs import Imports, SendError, Tell
from engagement.audience.outbox import Outbox, Sending, SendingPart, State
from engagement.audience.profile_calls import SERVICE, Target
from engagement.audience.profile_domain import (
    MADE,
    ReadBack,
    chosen,
    ensure_domain,
    ensure_object_type,
    ensure_segment,
    read_back,
    remove_segment,
)
from engagement.audience.remembered import CAMPAIGN, DOMAIN, FOREIGN, RECORDS, SEGMENT
from engagement.audience.segments import AudienceError, Segment
from engagement.aws.clients import Service
from engagement.messages import counted
from engagement.settings import Settings

OnCall = Callable[[str], None]


def _silent(text: str) -> None:
    del text


@dataclass
class Report:
    """What a send did.

    Attributes
    ----------
    sends
        Each send that was finished: one that an earlier run had left, and this one's own. None if
        nothing was different.
    campaign
        What was done to the campaign, and its state; ``None`` without one.
    failed_file
        Where the people whose records failed are listed; empty if none failed.
    """

    segment: str
    domain: str
    domain_done: str
    as_of: str
    batch: str = ""
    resumed: bool = False
    sends: list[Sending] = field(default_factory=list)
    read_back: ReadBack | None = None
    campaign: campaigns.CampaignState | None = None
    failed_file: str = ""
    failed: int = 0

    def lines(self) -> list[str]:
        """The report as sentences, without anything of a person."""
        found = [
            f"Segment {self.segment} as of {self.as_of}, domain {self.domain} ({self.domain_done})"
        ]
        if self.resumed:
            found.append("A send that was interrupted was finished first; nothing was sent twice.")
        for send in self.sends:
            found += _lines_of(send)
        if not self.sends:
            found.append("Nothing is different since the last send: nothing was sent.")
        if self.read_back is not None:
            back = self.read_back
            estimate = "no estimate" if back.estimate is None else f"{back.estimate:,} estimated"
            found.append(
                f"Segment {self.batch} in the service: {back.sent:,} sent, {estimate}; "
                f"{back.present:,} of {counted(back.looked_up, 'person', 'people')} looked up "
                f"{'is' if back.looked_up == 1 else 'are'} in it"
                + (
                    "."
                    if back.agrees
                    else ": this does not agree; it may take the service a while."
                )
            )
        if self.failed:
            found.append(
                f"{counted(self.failed, 'record')} failed and will be sent again next time"
                + (f": {self.failed_file}" if self.failed_file else "")
            )
        if self.campaign is not None:
            found.append(
                f"Campaign {self.campaign.name}: {self.campaign.done}, state {self.campaign.state}"
            )
        return found

    def document(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return asdict(self)


def _lines_of(send: Sending) -> list[str]:
    what = "everybody was sent" if send.mode == "full" else "what is different was sent"
    found = [
        f"As of {send.as_of} {what} ({send.why}): {counted(send.changed, 'person', 'people')}"
        + (f", and {send.left:,} who left" if send.left else "")
    ]
    for part in send.parts:
        how = "put one by one" if part.kind in (outbox.PUTS, outbox.PUTS_LEFT) else "imported"
        attempt = f", attempt {part.attempt}" if part.attempt > 1 else ""
        found.append(
            f"  {part.file}: {counted(part.rows, 'record')} {how}{attempt}: {part.created:,} "
            f"created, {part.updated:,} updated, {part.failed:,} failed ({part.outcome})"
        )
    return found


@dataclass(frozen=True)
class Sender:
    """Sends one segment to where the parameters say.

    Parameters
    ----------
    on_call
        Is told each operation before it is called.
    """

    settings: Settings
    segment: Segment
    tell: Tell = _silent
    on_call: OnCall | None = None

    @property
    def target(self) -> Target:
        """The domain that is sent to."""
        return Target.of(self.settings, self.segment)

    @property
    def box(self) -> Outbox:
        """What was sent, and is being sent."""
        runs = self.settings.path(self.settings.run.directory)
        return Outbox(runs, self.target.domain, self.segment.name)

    def _service(self, name: str) -> Service:
        region = self.settings.activation.customer_profiles.region
        return Service(name, region, on_call=self.on_call)

    def send(
        self,
        export: Export,
        as_of: date,
        rejects_folder: Path,
        *,
        today: date | None = None,
        afresh: bool = False,
    ) -> Report:
        """Bring the segment to the service.

        Parameters
        ----------
        export
            All members as of the day.
        rejects_folder
            Where people whose records failed are listed.
        today
            The day of sending; left out: today.
        afresh
            Forget a send that was interrupted, and what was sent before: send everybody.

        Raises
        ------
        AudienceError
            When the parameters do not allow to send.
        SendError
            When it did not get to its end; sending again goes on.
        ServiceError
            When a service refused something, with its reason.
        """
        self._allowed()
        day = today or datetime.now(UTC).date()
        service, target, box = self._service(SERVICE), self.target, self.box
        with box.held():
            if afresh:
                older = [*box.state.older, *filter(None, [box.state.batch])]
                box.state = State(older=older, remembered=box.state.remembered)
                box.save()
                box.clear()
            done = ensure_domain(service, target)
            if done in MADE:
                box.state.remember(DOMAIN, target.create_domain())
            else:
                box.state.remembered[DOMAIN] = FOREIGN
            report = Report(self.segment.name, target.domain, done, as_of.isoformat())
            if box.state.sending is not None:
                report.resumed = True
                self._finish(service, box, day, report, rejects_folder)
            if self.is_different(box.state, export, day):
                box.clear()
                box.begin(deltas.prepare(box, target, export, as_of, day, box.room))
                self._finish(service, box, day, report, rejects_folder)
            self._after(service, box, report)
        return report

    def _allowed(self) -> None:
        if not self.settings.activation.send:
            problem = (
                "activation.send is not true: 'engagement audience plan' shows what would be "
                "sent; with --set activation.send=true it is"
            )
            raise AudienceError("the parameters", [problem])

    def is_different(self, state: State, export: Export, today: date) -> bool:
        """Whether there is anything to send after what was sent already."""
        names = [column.name for column in customer_profiles.columns(self.segment)]
        if state.export != deltas.fingerprint(export):
            return True
        how = deltas.mode(state, self.target, names, today)
        return how.name == "full" and how.why != deltas.BY_PARAMETERS

    def _finish(
        self, service: Service, box: Outbox, today: date, report: Report, rejects: Path
    ) -> None:
        """Bring the files of the send under way, and note that they arrived."""
        sending = box.state.sending
        assert sending is not None  # noqa: S101 - for the type checker
        kinds = {part.kind for part in sending.parts}
        if kinds & {outbox.PUTS, outbox.PUTS_LEFT}:
            ensure_object_type(service, self.target)
            box.state.remember(RECORDS, self.target.put_object_type())
        imports = Imports(service, self.target, box, self.tell)
        for part in sending.parts:
            imports.bring(part)
        failed = sum(part.failed for part in sending.parts)
        if failed:
            report.failed += failed
            report.failed_file = self._list_failed(box.failed(), rejects)
        names = [column.name for column in customer_profiles.columns(self.segment)]
        box.done(names, today.isoformat())
        report.sends.append(sending)
        _judge(sending.parts, self.settings.activation.customer_profiles.most_failed)

    def _list_failed(self, people: set[str], folder: Path) -> str:
        """Write who failed; the file alone has their ids."""
        reason = "the service did not take the record"
        rejects = [Reject(person, "", "record", reason) for person in people]
        path = folder / f"customer_profiles-{self.segment.name}-failed.csv"
        return str(write_rejects(path, rejects).path)

    def _after(self, service: Service, box: Outbox, report: Report) -> None:
        """Define the segment, compare it, see to the campaign, remove older definitions."""
        target, state = self.target, box.state
        report.batch = state.batch
        if not state.batch:
            return
        arn = ensure_segment(service, target, state.batch)
        state.remember(SEGMENT, {"batch": state.batch})
        sent, some = chosen(outbox.ledger(box.sent), target.settings.check_people)
        report.read_back = read_back(service, target, state.batch, sent, some, self.tell)
        campaign = self.settings.activation.campaign
        if campaign is not None:
            made = campaigns.ensure_campaign(
                self._service(campaigns.SERVICE), target, campaign, arn
            )
            report.campaign = made
            parts = campaigns.parts(campaigns.create_campaign(target, campaign, arn), state.batch)
            state.remember(CAMPAIGN, parts)
            is_started = "" if made.state == "Initialized" else "yes"
            state.recall(CAMPAIGN).update(id=made.id, started=is_started)
        box.save()
        for older in list(state.older):
            remove_segment(service, target, older)
            state.older.remove(older)
            box.save()

    # --- status and down

    def status(self) -> list[str]:
        """What was sent, what is under way, and what the services report, as sentences."""
        state, target = self.box.state, self.target
        sent = f"sent as of {state.as_of} to {target.domain}, segment {state.batch}"
        none = f"nothing was sent to {target.domain} yet"
        found = [f"{self.segment.name}: {sent if state.batch else none}"]
        if state.sending is not None:
            found.append(f"a send as of {state.sending.as_of} is under way or was interrupted:")
            found += [
                f"  {part.file}: {counted(part.rows, 'record')}, {part.state}"
                for part in state.sending.parts
            ]
        if self.settings.activation.send and state.batch:
            found += self._live(state)
        return found

    def _live(self, state: State) -> list[str]:
        service, target = self._service(SERVICE), self.target
        domain = service.find("GetDomain", DomainName=target.domain)
        if domain is None:
            return [f"the domain {target.domain} is not there"]
        stats = domain.get("Stats", {})
        found = [f"domain {target.domain}: {stats.get('ProfileCount', 0):,} profiles"]
        there = service.find("GetSegmentDefinition", **target.name_segment(state.batch))
        found.append(f"segment {state.batch}: {'defined' if there else 'is not there'}")
        campaign = self.settings.activation.campaign
        if campaign is not None:
            made = campaigns.status(self._service(campaigns.SERVICE), target, campaign)
            found.append(
                f"campaign {made.name}: {made.state}"
                if made
                else f"campaign {campaigns.name_of(target)}: is not there"
            )
        return found

    def down(self, *, domain: bool) -> list[str]:
        """Remove what was made for the segment, and the domain if asked for and made here.

        Raises
        ------
        AudienceError
            When the parameters do not allow to send.
        """
        self._allowed()
        service, target, box = self._service(SERVICE), self.target, self.box
        gone = []
        with box.held():
            campaign = self.settings.activation.campaign
            if campaign is not None and campaigns.remove_campaign(
                self._service(campaigns.SERVICE), target, campaign
            ):
                gone.append(f"campaign {campaigns.name_of(target)}")
            batches = [*box.state.older, *filter(None, [box.state.batch])]
            gone += [f"segment {one}" for one in batches if remove_segment(service, target, one)]
            gone += self._remove_object_type(service)
            if domain:
                gone += self._remove_domain(service)
            box.remove()
        return gone

    def _remove_object_type(self, service: Service) -> list[str]:
        target = self.target
        name = {"DomainName": target.domain, "ObjectTypeName": target.object_type}
        found = service.find("GetProfileObjectType", **name)
        if found is None or not target.made(found.get("Tags")):
            return []
        service.find("DeleteProfileObjectType", **name)
        return [f"object type {target.object_type}"]

    def _remove_domain(self, service: Service) -> list[str]:
        target = self.target
        found = service.find("GetDomain", DomainName=target.domain)
        if found is None or not target.made(found.get("Tags")):
            return []
        service.find("DeleteDomain", DomainName=target.domain)
        return [f"domain {target.domain}, with every profile in it"]


def _judge(parts: Sequence[SendingPart], most: float) -> None:
    for part in parts:
        if part.failed > part.rows * most:
            raise SendError(
                f"{part.failed:,} of {counted(part.rows, 'record')} of {part.file} failed, more "
                f"than activation.customer_profiles.most_failed allows ({most:.0%}): the segment "
                "and the campaign were left as they are. Send again to send what failed again"
            )
