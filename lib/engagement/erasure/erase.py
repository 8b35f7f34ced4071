"""Erasing people: the order of the steps, so that one that is killed is finished by running again.

First the ids go on the do-not-reload list, keyed and hashed: from then on nothing comes back, and
another run knows whom this one meant. Then the folders of earlier runs, while the models still know
the person's addresses; then landed files, and the tables that come of them; then the models; at the
end what engines and stores keep of rows that are gone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from engagement.erasure import expired, files, loaded, runs, steps, tables
from engagement.erasure.people import (
    DEVICE,
    MESSAGE,
    USER,
    Erased,
    Judge,
    Person,
    Ties,
    needles,
    person,
)
from engagement.erasure.receipt import (
    ErasureError,
    Findings,
    NobodyError,
    Receipt,
    now,
)
from engagement.flatten import flatten, increments
from engagement.landing import do_not_reload
from engagement.landing.tables import PROFILE
from engagement.messages import counted
from engagement.records.files import partition_of
from engagement.records.lines import UnreadableFileError
from engagement.runs.workbook import new_run_id
from engagement.settings import Settings
from engagement.warehouse import Table, open_warehouse
from engagement.warehouse.loaded import LoadedWarehouse
from engagement.warehouse.objects import (
    LandedObjects,
    ObjectUnreadableError,
    SeveralPlaces,
)
from engagement.warehouse.reading import LandingSession, LandingWarehouse, landing_warehouse

_EVENTS = Table("events", "events")


def erase(
    settings: Settings,
    user_ids: Sequence[str],
    *,
    dry_run: bool = True,
    keep_named: bool = False,
    block: bool = False,
) -> Findings:
    """Erase people, and whoever was erased before and has landed again.

    Parameters
    ----------
    user_ids
        Whom; none at all stands for those on the do-not-reload list alone.
    dry_run
        Only look.
    keep_named
        Leave what other people sent, though it names the person.
    block
        Put ids that nobody has on the do-not-reload list, in advance.

    Raises
    ------
    NobodyError
        When nobody has one of the user ids, and it is not to be blocked: nothing was changed.
    ErasureError
        When a user id is none.
    LeaseHeldError
        When another run writes this warehouse.
    WarehouseError
        When something could not be written; running it again goes on.
    """
    for user_id in user_ids:
        if settings.identity.is_placeholder(user_id):
            raise ErasureError(f"'{user_id}' stands for no id at all: name a user id")
    # The whole landing, whatever dates the parameters would read.
    whole = settings.landing.model_copy(update={"from_": None, "to": None, "reprocess": ()})
    settings = settings.model_copy(update={"landing": whole})
    opened = open_warehouse(settings)
    if isinstance(opened, LoadedWarehouse):
        return loaded.erase(
            opened, settings, user_ids, dry_run=dry_run, keep_named=keep_named, block=block
        )
    warehouse = landing_warehouse(opened)
    if not warehouse.exists():
        raise ErasureError("there is no warehouse yet: nothing was taken in, so nothing is known")
    return steps.carry_out(
        warehouse,
        settings,
        lambda: _Erasure(warehouse, settings, user_ids, keep_named),
        dry_run=dry_run,
        block=block,
    )


class _Erasure:
    """One erasure, under way."""

    def __init__(
        self,
        warehouse: LandingWarehouse,
        settings: Settings,
        user_ids: Sequence[str],
        keep_named: bool,
    ) -> None:
        self._warehouse = warehouse
        self._settings = settings
        self._named = tuple(dict.fromkeys(user_ids))
        self._keep_named = keep_named
        self._objects = _objects(warehouse, settings)
        self._runs = settings.path(settings.run.directory)
        self._affected: list[str] = []
        self._messages: set[str] = set()
        self._texts: set[str] = set()
        self._values: set[str] = set()
        self._traces = runs.Traces()
        self._ties = Ties()
        self._list = Erased()
        self._days: set[str] = set()
        self._expired: set[str] = set()
        self.who = Person()
        self.receipt = Receipt(
            new_run_id(), settings.warehouse.engine, "looked at", now(), tables={}
        )

    # --- looking

    def look(self, *, dry_run: bool) -> None:
        """Find what there is of the people, without changing anything."""
        names = list(self._objects.names())
        with self._warehouse.session() as session:
            known = tables.ties(session, self._settings.identity)
            secret, listed = do_not_reload.secret(session), do_not_reload.listed(session)
        judge = self._judge(Person(), Erased())
        for name, raw in self._contents(names):
            self._tie(name, raw, judge, known)
        self._ties = known
        self.who = person(self._named, known)
        self._list = Erased(secret, listed)
        self._why = self._judge(self.who, self._list)
        self._look_at_files(names)
        self._look_at_tables()
        self._look_at_runs(dry_run=dry_run)
        self.receipt.ids = steps.ids(self.who)

    def strangers(self) -> dict[str, list[str]]:
        """Ids that were named and that nothing knows of, each with similar ones that are known."""
        return steps.strangers(self._named, self._ties, self._list, self._is_named)

    def _is_named(self, user_id: str) -> bool:
        """Whether something names an id that sent nothing: a record, a table, an earlier run."""
        alone = Person(frozenset({user_id}))
        if self.receipt.why.get("named"):
            judge = self._judge(alone, Erased())
            for name, raw in self._contents(self._affected):
                if files.cut(name, raw, judge.why).removed:
                    return True
        return steps.is_held(self._warehouse, self._runs, user_id)

    def _judge(self, who: Person, known: Erased) -> Judge:
        return Judge(
            who,
            known,
            placeholders=self._settings.identity.bare_placeholder_ids,
            write_keys=self._settings.landing.write_keys,
            keep_named=self._keep_named,
        )

    def _contents(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for name in names:
            try:
                yield name, self._objects.read(name).data
            except ObjectUnreadableError as error:
                self.receipt.leave(f"{name} could not be read ({error}): it may hold the person")

    def _tie(self, name: str, raw: bytes, judge: Judge, known: Ties) -> None:
        try:
            files.ties(name, raw, judge, known)
        except UnreadableFileError as error:
            self.receipt.leave(f"{name} could not be read ({error}): it may hold the person")

    def _look_at_files(self, names: Sequence[str]) -> None:
        why: Counter[str] = Counter()
        others = 0
        for name, raw in self._contents(names):
            try:
                found = files.cut(name, raw, self._why.why)
            except UnreadableFileError:
                continue  # said already
            others += found.stays
            if found.removed:
                self._affected.append(name)
                self.receipt.landing[name] = found.removed.total()
                why.update(found.removed)
                self._messages |= found.messages
                self._texts |= found.texts
                if note := self._objects.notes(name):
                    self.receipt.leave(f"{name} {note}")
        self.receipt.why = dict(sorted(why.items()))
        if others:
            self.receipt.leave(
                f"{counted(others, 'record')} in the landing {'is' if others == 1 else 'are'} the "
                "person's, but of sources that "
                "landing.write_keys leaves out: they belong to others, and stay"
            )
        self._days = {day for name in self._affected if (day := partition_of(name))}

    def _look_at_tables(self) -> None:
        landed = {file.received_at_utc_date for file in self._warehouse.landing_files().files}
        # Only a session that may write has working tables; nothing is published in it.
        with self._warehouse.session(write=True) as session:
            joined = tables.joined_ids(session, self.who)
            self._people = tables.model_ids(joined, self.who)
            self._values = {*self.who.user_ids, *self.who.devices, *self._people.theirs}
            of_others = steps.leave_further_ids(self.receipt, joined, self.who)
            more = set() if of_others else tables.addresses(session, joined["person_id"])
            self._more = {*self._people.every, *more}
            self._before = tables.held(session, self._values)
        self.receipt.tables = {name: {"before": rows} for name, rows in self._before.items()}
        self._landed = landed

    def _look_at_runs(self, *, dry_run: bool) -> None:
        texts = self._only_theirs(runs.shown(self._runs, self._texts))
        self._traces = runs.traces(self.who.user_ids, self.who.devices, self._more, texts)
        if dry_run:
            steps.note_runs(self.receipt, runs.scrub(self._runs, self._traces, dry_run=True))

    def _only_theirs(self, texts: set[str]) -> set[str]:
        """Of some texts of the person's records those that nothing else in the landing has."""
        left = {text: _escaped(text) for text in texts}
        for name in self._objects.names():
            if not left:
                break
            try:
                rest = files.plain(name, self._objects.read(name).data, self._why.why)
            except (UnreadableFileError, ObjectUnreadableError):
                continue
            left = {
                text: forms for text, forms in left.items() if not any(f in rest for f in forms)
            }
        return set(left)

    # --- doing

    def do(self) -> None:
        """Remove it all."""
        self._list_ids()
        steps.forget_audiences(self._settings, self._people.every, self.receipt)
        steps.note_runs(self.receipt, runs.scrub(self._runs, self._traces, dry_run=False))
        self._remove_events()
        steps.remake_models(
            self._warehouse,
            self._settings,
            self._values,
            self._people.of_others,
            self._before,
            self.receipt,
        )
        forgotten = self._warehouse.purge(self._is_affected)
        self.receipt.forgotten = dict(forgotten.removed)
        for sentence in forgotten.left:
            self.receipt.leave(sentence)

    def _list_ids(self) -> None:
        listed = {
            USER: self.who.user_ids,
            DEVICE: self.who.devices,
            MESSAGE: self._messages,
        }
        self._list = steps.put_on_list(self._warehouse, self.receipt, self._named, listed)
        self._why = self._judge(self.who, self._list)

    def _is_affected(self, name: str, data: bytes) -> bool:
        try:
            return bool(files.cut(name, data, self._why.why).removed)
        except UnreadableFileError:
            return False

    def _is_theirs(self, record: bytes) -> bool:
        return self._why.why(record) not in (None, "other_source")

    def _remove_events(self) -> None:
        wanted = needles(self.who)
        with self._warehouse.session(write=True) as session:
            is_taken_in = bool(session.columns(_EVENTS))
            days = self._dates(session, wanted) if is_taken_in else set()
            self._expired = days - self._landed
            read = dict.fromkeys(days & self._landed, increments.READ)
            # Before a file is touched: whoever runs next finds what is left to do.
            if is_taken_in:
                increments.leave_unfinished(session, read)
        self._objects.tidy()
        for name in self._affected:
            content = self._objects.read(name)
            found = files.cut(name, content.data, self._why.why)
            if found.removed:
                self._objects.replace(name, content, found.data)
        if not is_taken_in:
            return
        with self._warehouse.session(write=True) as session:
            expired.remove(session, self._settings, sorted(self._expired), wanted, self._is_theirs)
        # What an erasure that was killed has left unfinished is done here, too.
        report = flatten(self._warehouse, self._settings, only=days)
        self.receipt.dates = sorted({*days, *report.days_read})
        if self.receipt.dates:
            with self._warehouse.session(write=True) as session:
                # It counts what was there before; 01 makes it again.
                session.drop(PROFILE)
                if report.dropped:
                    tables.forget_names(session, report.dropped)

    def _dates(self, session: LandingSession, wanted: Sequence[str]) -> set[str]:
        """Received dates on which the tables, or files that they hold, have something of theirs.

        Dates that were not taken in yet are not taken in here: their files are, afterwards.
        """
        found = session.query(f"select distinct received_at_utc_date from {expired.LEDGER}")
        every = sorted(found["received_at_utc_date"])
        theirs = expired.find(session, self._settings, every, wanted, self._is_theirs)
        quarantined = expired.quarantined(session, every, self._is_theirs)
        return {day for day, _ in theirs} | quarantined | (self._days & set(every))


def _objects(warehouse: LandingWarehouse, settings: Settings) -> LandedObjects:
    """The landed files, and what Firehose could not deliver where that lies elsewhere."""
    places: dict[str, LandedObjects] = {"": warehouse.landed_objects()}
    apart = settings.landing.errors_location
    if apart and not _is_below(settings, apart, settings.landing.location):
        places["errors_location/"] = warehouse.landed_objects(apart)
    return SeveralPlaces(places)


def _is_below(settings: Settings, inner: str, outer: str) -> bool:
    if inner.startswith("s3://"):
        return f"{inner.rstrip('/')}/".startswith(f"{outer.rstrip('/')}/")
    return settings.path(inner).resolve().is_relative_to(settings.path(outer).resolve())


def _escaped(text: str) -> tuple[bytes, ...]:
    return tuple(
        {
            json.dumps(text)[1:-1].encode(),
            json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "replace"),
        }
    )


__all__ = ["ErasureError", "Findings", "NobodyError", "Receipt", "erase"]
