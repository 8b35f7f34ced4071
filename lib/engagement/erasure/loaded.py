"""Erasing people where RudderStack loads the tables: their rows go from its own tables.

First the ids go on the do-not-reload list, so that a run that is killed, or that may not delete, is
finished by running it again; then the rows go, then what audiences and earlier runs hold, then the
models are made again. RudderStack knows no such list: what it loads late of somebody who was erased
is there until ``engagement erase --again`` has taken it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd

from engagement.audience import forgetting
from engagement.erasure import remake, runs, tables
from engagement.erasure.people import (
    DEVICE,
    USER,
    Erased,
    Person,
    Ties,
    alike,
    is_id_key,
    person,
)
from engagement.erasure.receipt import (
    BLOCKED,
    OF_TABLES,
    ErasureError,
    Findings,
    NobodyError,
    Receipt,
    folder,
    now,
    write,
)
from engagement.landing import do_not_reload
from engagement.messages import counted
from engagement.runs.workbook import new_run_id
from engagement.settings import Settings
from engagement.warehouse.lease import as_holder
from engagement.warehouse.loaded import LoadedTable, LoadedWarehouse
from engagement.warehouse.protocol import Session

_OWN_IDS = ("user_id", "anonymous_id", "previous_id")
_USERS = "users"
_STAGING = "rudder_staging_"
_TEXTS = ("character", "text")


def erase(
    warehouse: LoadedWarehouse,
    settings: Settings,
    user_ids: Sequence[str],
    *,
    dry_run: bool,
    keep_named: bool,
    block: bool,
) -> Findings:
    """Erase people; see :func:`engagement.erasure.erase.erase`.

    Raises
    ------
    WarehouseError
        When rows may not be deleted: nothing was, and it says what to run.
    """
    if warehouse.rudderstack_schema is None:
        raise ErasureError("no rudderstack_schema is set: there is nothing to erase from")
    with warehouse.lease("engagement erase") as token, as_holder(token):
        work = _Erasure(warehouse, settings, user_ids, keep_named=keep_named)
        work.look()
        strangers = work.strangers()
        if strangers and not block:
            raise NobodyError(strangers)
        if strangers:
            work.receipt.ids[BLOCKED] = len(strangers)
        if dry_run:
            work.clean_runs(dry_run=True)
            return Findings(work.who, work.receipt)
        path = folder(settings) / f"{work.receipt.id}.json"
        try:
            work.do()
            work.receipt.status = "done"
        except BaseException:
            work.receipt.status = "failed"
            raise
        finally:
            work.receipt.ended = now()
            write(path, work.receipt)
    return Findings(work.who, work.receipt, path)


def columns_of_ids(table: LoadedTable, *, keep_named: bool) -> list[str]:
    """Columns of a loaded table that hold ids of people; with ``keep_named``, of who sent it."""
    if table.name.startswith(_STAGING):
        return []
    texts = [name for name, kind in table.columns.items() if kind.startswith(_TEXTS)]
    found = [name for name in texts if name in _OWN_IDS or (is_id_key(name) and not keep_named)]
    if table.name == _USERS and "id" in texts:
        found.append("id")
    return found


class _Erasure:
    """One erasure, under way."""

    def __init__(
        self,
        warehouse: LoadedWarehouse,
        settings: Settings,
        user_ids: Sequence[str],
        *,
        keep_named: bool,
    ) -> None:
        self._warehouse = warehouse
        self._settings = settings
        self._named = tuple(dict.fromkeys(user_ids))
        self._runs = settings.path(settings.run.directory)
        self._ties = Ties()
        self._list = Erased()
        self._columns = {
            one.name: names
            for one in warehouse.loaded_tables()
            if (names := columns_of_ids(one, keep_named=keep_named))
        }
        self.who = Person()
        self.receipt = Receipt(
            new_run_id(), settings.warehouse.engine, "looked at", now(), source=OF_TABLES
        )

    # --- looking

    def look(self) -> None:
        """Find what there is of the people, without changing anything."""
        with self._warehouse.session(write=True) as session:
            self._ties = tables.ties(session, self._settings.identity)
            self._list = Erased(do_not_reload.secret(session), do_not_reload.listed(session))
            listed = {one for one in self._ties.users if self._list.until(USER, one)}
            who = person({*self._named, *listed}, self._ties)
            self.who = Person(
                who.user_ids,
                who.devices | self._devices_again(session, who),
                who.shared,
                who.unclear,
            )
            joined = tables.joined_ids(session, self.who)
            self._people = set(joined["person_id"])
            self._values = {*self.who.user_ids, *self.who.devices, *self._people}
            of_others = (joined["user_id"] - self.who.user_ids) | (
                joined["anonymous_id"] - self.who.devices - self.who.shared
            )
            if of_others:
                self.receipt.leave(
                    f"{len(of_others)} further ids that the identity map gives to the same person: "
                    "nothing but the models' own rules ties them, and their events stay"
                )
            more = set() if of_others else tables.addresses(session, self._people)
            self._before = tables.held(session, self._values)
        self.receipt.tables = {name: {"before": rows} for name, rows in self._before.items()}
        self._traces = runs.traces(
            self.who.user_ids, self.who.devices, {*self._people, *more}, set()
        )
        self._note(self._delete(dry_run=True))
        self.receipt.ids = {
            "user ids": len(self.who.user_ids),
            "anonymous ids": len(self.who.devices),
            "anonymous ids that others use too (their events without a user id stay)": len(
                self.who.shared
            ),
            "ids aliased to several users (not followed)": len(self.who.unclear),
        }

    def _devices_again(self, session: Session, who: Person) -> set[str]:
        """Devices of people erased before that nobody has used since, and that have landed again.

        Whoever used one after the erasure is somebody else.
        """
        if not self._list.hashes.get(DEVICE):
            return set()
        latest = session.query(
            'select anonymous_id, max(coalesce("timestamp", received_at)) as latest '
            f"from {tables.EVENTS} where anonymous_id is not null group by 1",
            label="devices",
        )
        again, used = set(), 0
        for device, at in latest.itertuples(index=False):
            until = self._list.until(DEVICE, device)
            if until is None or self._ties.devices.get(device, set()) - who.user_ids:
                continue
            if pd.notna(at) and at.to_pydatetime().replace(tzinfo=UTC) > until:
                used += device not in who.devices
            else:
                again.add(device)
        if used:
            self.receipt.leave(
                f"{counted(used, 'anonymous id')} of people erased before had events since: what "
                "came late of them cannot be told from what is somebody else's, and stays"
            )
        return again

    def strangers(self) -> dict[str, list[str]]:
        """Ids that were named and that nothing knows of, each with similar ones that are known."""
        unseen = [
            one
            for one in self._named
            if one not in self._ties.users
            and one not in self._ties.aliases
            and self._list.until(USER, one) is None
        ]
        return {one: alike(one, self._ties) for one in unseen if not self._is_named(one)}

    def _is_named(self, user_id: str) -> bool:
        """Whether something names an id that sent nothing: a row, a table, an earlier run."""
        if self._warehouse.delete_loaded(self._columns, {user_id}, dry_run=True):
            return True
        with self._warehouse.session(write=True) as session:
            if tables.held(session, {user_id}):
                return True
        found = runs.scrub(self._runs, runs.traces({user_id}, (), ()), dry_run=True)
        return bool(found.rows or found.removed)

    def clean_runs(self, *, dry_run: bool) -> None:
        """Take the people out of files of earlier runs."""
        found = runs.scrub(self._runs, self._traces, dry_run=dry_run)
        for name, rows in found.rows.items():
            self.receipt.runs[name] = counted(rows, "row")
        for name in found.removed:
            self.receipt.runs[name] = "removed, since it shows the person"

    # --- doing

    def do(self) -> None:
        """Remove it all."""
        self._list_ids()
        gone = self._delete(dry_run=False)
        self._note(gone)
        self._forget_audiences()
        self.clean_runs(dry_run=False)
        remake.models(self._warehouse, self._settings, self._values, self.receipt)
        with self._warehouse.session(write=True) as session:
            after = tables.held(session, self._values)
        for name, rows in after.items():
            self.receipt.leave(
                f"{name}: {counted(rows, 'row holds', 'rows hold')} one of the ids still"
            )
        self.receipt.tables = remake.without_names_of_events(self._before, after, self._warehouse)
        for sentence in self._warehouse.forget_loaded(gone):
            self.receipt.leave(sentence)

    def _delete(self, *, dry_run: bool) -> dict[str, int]:
        values = {*self.who.user_ids, *self.who.devices}
        return dict(self._warehouse.delete_loaded(self._columns, values, dry_run=dry_run))

    def _note(self, rows: dict[str, int]) -> None:
        if rows or not self.receipt.landing:
            schema = self._warehouse.rudderstack_schema
            self.receipt.landing = {f"{schema}.{name}": count for name, count in rows.items()}

    def _forget_audiences(self) -> None:
        found = forgetting.forget(self._settings, self._people)
        if found.profiles:
            self.receipt.audiences["profiles deleted in Customer Profiles"] = found.profiles
        if found.rows:
            self.receipt.audiences["rows of what was sent"] = found.rows
        for sentence in found.left:
            self.receipt.leave(sentence)

    def _list_ids(self) -> None:
        with self._warehouse.session(write=True) as session:
            made = Erased(do_not_reload.secret(session, make=True), do_not_reload.listed(session))
            self.receipt.people = sorted(made.digest(USER, value) for value in self._named)
            hashes = {
                kind: [made.digest(kind, value) for value in values]
                for kind, values in ((USER, self.who.user_ids), (DEVICE, self.who.devices))
            }
            do_not_reload.put(session, hashes, datetime.now(UTC))
