"""Steps that an erasure takes wherever the events are: in landed files, or in loaded tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from engagement.audience import forgetting
from engagement.erasure import remake, runs, tables
from engagement.erasure.people import USER, Erased, Person, Ties, alike
from engagement.erasure.receipt import BLOCKED, Findings, NobodyError, Receipt, folder, now, write
from engagement.landing import do_not_reload
from engagement.messages import counted
from engagement.settings import Settings
from engagement.warehouse import Warehouse
from engagement.warehouse.lease import as_holder


class Erasure(Protocol):
    """One erasure, under way."""

    who: Person
    receipt: Receipt

    def look(self, *, dry_run: bool) -> None:
        """Find what there is of the people, without changing anything."""

    def strangers(self) -> dict[str, list[str]]:
        """Ids that were named and that nothing knows of, each with similar ones that are known."""

    def do(self) -> None:
        """Remove it all."""


def carry_out(
    warehouse: Warehouse,
    settings: Settings,
    begin: Callable[[], Erasure],
    *,
    dry_run: bool,
    block: bool,
) -> Findings:
    """Look, and if that is wanted remove, under the warehouse's lease; the receipt is kept.

    Raises
    ------
    NobodyError
        When nobody has one of the user ids, and it is not to be blocked.
    LeaseHeldError
        When another run writes this warehouse.
    """
    with warehouse.lease("engagement erase") as token, as_holder(token):
        work = begin()
        work.look(dry_run=dry_run)
        strangers = work.strangers()
        if strangers and not block:
            raise NobodyError(strangers)
        if strangers:
            work.receipt.ids[BLOCKED] = len(strangers)
        if dry_run:
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


# --- looking


def ids(who: Person) -> dict[str, int]:
    """How many ids people have, for the receipt."""
    return {
        "user ids": len(who.user_ids),
        "anonymous ids": len(who.devices),
        "anonymous ids that others use too (their events without a user id stay)": len(who.shared),
        "ids aliased to several users (not followed)": len(who.unclear),
    }


def leave_further_ids(receipt: Receipt, joined: Mapping[str, set[str]], who: Person) -> bool:
    """Note ids that only the identity map gives to the people; whether there are any."""
    further = (joined["user_id"] - who.user_ids) | (
        joined["anonymous_id"] - who.devices - who.shared
    )
    if further:
        receipt.leave(
            f"{len(further)} further ids that the identity map gives to the same person: "
            "nothing but the models' own rules ties them, and their events stay"
        )
    return bool(further)


def strangers(
    named: Iterable[str], ties: Ties, known: Erased, is_named: Callable[[str], bool]
) -> dict[str, list[str]]:
    """Ids that sent nothing, are on no list and that nothing names, each with similar ones."""
    unseen = [
        one
        for one in named
        if one not in ties.users and one not in ties.aliases and known.until(USER, one) is None
    ]
    return {one: alike(one, ties) for one in unseen if not is_named(one)}


def is_held(warehouse: Warehouse, folder_of_runs: Path, user_id: str) -> bool:
    """Whether a table or an earlier run has an id."""
    with warehouse.session(write=True) as session:
        if tables.held(session, {user_id}):
            return True
    found = runs.scrub(folder_of_runs, runs.traces({user_id}, (), ()), dry_run=True)
    return bool(found.rows or found.removed)


def note_runs(receipt: Receipt, found: runs.Scrubbed) -> None:
    """Note what becomes of files of earlier runs."""
    for name, rows in found.rows.items():
        receipt.runs[name] = counted(rows, "row")
    for name in found.removed:
        receipt.runs[name] = "removed, since it shows the person"


# --- doing


def put_on_list(
    warehouse: Warehouse,
    receipt: Receipt,
    named: Sequence[str],
    values: Mapping[str, Collection[str]],
) -> Erased:
    """Put ids on the do-not-reload list, keyed and hashed; gives the list as it is then.

    Parameters
    ----------
    named
        The user ids that were asked for.
    values
        What goes on the list, by kind.
    """
    with warehouse.session(write=True) as session:
        secret = do_not_reload.secret(session, make=True)
        made = Erased(secret, do_not_reload.listed(session))
        receipt.people = sorted(made.digest(USER, value) for value in named)
        hashes = {
            kind: [made.digest(kind, value) for value in some] for kind, some in values.items()
        }
        do_not_reload.put(session, hashes, datetime.now(UTC))
        return Erased(secret, do_not_reload.listed(session))


def forget_audiences(settings: Settings, people: Collection[str], receipt: Receipt) -> None:
    """Take people out of what audiences were sent to, as long as their ids are known."""
    found = forgetting.forget(settings, people)
    if found.profiles:
        receipt.audiences["profiles deleted in Customer Profiles"] = found.profiles
    if found.rows:
        receipt.audiences["rows of what was sent"] = found.rows
    for sentence in found.left:
        receipt.leave(sentence)


def remake_models(
    warehouse: Warehouse,
    settings: Settings,
    values: Collection[str],
    of_others: Collection[str],
    before: dict[str, int],
    receipt: Receipt,
) -> None:
    """Make the models again, and note which tables held the people before, and which still do.

    Parameters
    ----------
    values
        The people's ids.
    of_others
        Ids under which something of theirs may be kept, and which somebody else may have from now
        on: what was kept under one goes, and what is made again stays.
    """
    remake.models(warehouse, settings, {*values, *of_others}, receipt)
    with warehouse.session(write=True) as session:
        after = tables.held(session, values)
    for name, rows in after.items():
        receipt.leave(f"{name}: {counted(rows, 'row holds', 'rows hold')} one of the ids still")
    receipt.tables = remake.without_names_of_events(before, after, warehouse)
