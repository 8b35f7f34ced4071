"""Erasing people where RudderStack loads the tables: their rows go from its own tables.

First the ids go on the do-not-reload list, so that a run that is killed, or that may not delete, is
finished by running it again; then the rows go, then what audiences and earlier runs hold, then the
models are made again. RudderStack knows no such list: what it loads late of somebody who was erased
is there until ``engagement erase --again`` has taken it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

import pandas as pd

from engagement.erasure import runs, steps, tables
from engagement.erasure.people import (
    DEVICE,
    USER,
    Erased,
    Person,
    Ties,
    is_id_key,
    person,
)
from engagement.erasure.receipt import (
    OF_TABLES,
    ErasureError,
    Findings,
    Receipt,
    now,
)
from engagement.landing import do_not_reload
from engagement.messages import counted
from engagement.runs.workbook import new_run_id
from engagement.settings import Settings
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
    return steps.carry_out(
        warehouse,
        settings,
        lambda: _Erasure(warehouse, settings, user_ids, keep_named=keep_named),
        dry_run=dry_run,
        block=block,
    )


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

    def look(self, *, dry_run: bool) -> None:
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
            self._people = tables.model_ids(joined, self.who)
            self._values = {*self.who.user_ids, *self.who.devices, *self._people.theirs}
            of_others = steps.leave_further_ids(self.receipt, joined, self.who)
            more = set() if of_others else tables.addresses(session, joined["person_id"])
            self._before = tables.held(session, self._values)
        self.receipt.tables = {name: {"before": rows} for name, rows in self._before.items()}
        self._traces = runs.traces(
            self.who.user_ids, self.who.devices, {*self._people.every, *more}, set()
        )
        self._note(self._delete(dry_run=True))
        self.receipt.ids = steps.ids(self.who)
        if dry_run:
            self._clean_runs(dry_run=True)

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
        return steps.strangers(self._named, self._ties, self._list, self._is_named)

    def _is_named(self, user_id: str) -> bool:
        """Whether something names an id that sent nothing: a row, a table, an earlier run."""
        if self._warehouse.delete_loaded(self._columns, {user_id}, dry_run=True):
            return True
        return steps.is_held(self._warehouse, self._runs, user_id)

    def _clean_runs(self, *, dry_run: bool) -> None:
        """Take the people out of files of earlier runs."""
        steps.note_runs(self.receipt, runs.scrub(self._runs, self._traces, dry_run=dry_run))

    # --- doing

    def do(self) -> None:
        """Remove it all."""
        listed = {USER: self.who.user_ids, DEVICE: self.who.devices}
        steps.put_on_list(self._warehouse, self.receipt, self._named, listed)
        gone = self._delete(dry_run=False)
        self._note(gone)
        steps.forget_audiences(self._settings, self._people.every, self.receipt)
        self._clean_runs(dry_run=False)
        steps.remake_models(
            self._warehouse,
            self._settings,
            self._values,
            self._people.of_others,
            self._before,
            self.receipt,
        )
        for sentence in self._warehouse.forget_loaded(gone):
            self.receipt.leave(sentence)

    def _delete(self, *, dry_run: bool) -> dict[str, int]:
        values = {*self.who.user_ids, *self.who.devices}
        return dict(self._warehouse.delete_loaded(self._columns, values, dry_run=dry_run))

    def _note(self, rows: dict[str, int]) -> None:
        if rows or not self.receipt.landing:
            schema = self._warehouse.rudderstack_schema
            self.receipt.landing = {f"{schema}.{name}": count for name, count in rows.items()}
