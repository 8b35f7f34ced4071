"""After people's events are gone: the models made again, and rows counted before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from engagement.as_of import resolve_as_of
from engagement.erasure import tables
from engagement.erasure.receipt import Receipt
from engagement.models import runner
from engagement.models.provenance import MARTS
from engagement.models.runner import ModelError, build
from engagement.settings import Settings
from engagement.warehouse import Table, Warehouse


def models(
    warehouse: Warehouse, settings: Settings, values: Collection[str], receipt: Receipt
) -> None:
    """Make the models again that are there, and take people's rows out of other tables of marts.

    Parameters
    ----------
    values
        The people's ids.
    """
    own = runner.models()
    with warehouse.session() as session:
        there = session.tables(MARTS)
    if not there:
        return
    with warehouse.session(write=True) as session:
        held = tables.held(session, values)
        for name in there:
            if name not in own and f"{MARTS}.{name}" in held:
                tables.remove_rows(session, Table(MARTS, name), values)
    layers = sorted({model.layer for model in own.values()})
    as_of = resolve_as_of(warehouse, settings)
    only = sorted(own.keys() & set(there))
    if not only:
        return
    try:
        built = build(warehouse, settings, as_of, layers, only=only, stale="ignore")
        receipt.models = dict(Counter(one.status for one in built))
    except ModelError as error:
        _drop_stale(warehouse, only, values, receipt, str(error))


def _drop_stale(
    warehouse: Warehouse,
    names: Sequence[str],
    values: Collection[str],
    receipt: Receipt,
    reason: str,
) -> None:
    """Remove models that could not be made again and hold the person still."""
    with warehouse.session(write=True) as session:
        held = tables.held(session, values)
        stale = [name for name in names if f"{MARTS}.{name}" in held]
        for name in stale:
            session.drop(Table(MARTS, name))
    receipt.leave(
        f"models could not all be made again; {len(stale)} that held the person were removed, "
        f"and the others are as old as before: run 03 and 04. {reason.splitlines()[0]}"
    )


def without_names_of_events(
    before: dict[str, int], after: dict[str, int], warehouse: Warehouse
) -> dict[str, dict[str, int]]:
    """Rows by table, before and after; tables that are no more are counted, not named.

    The name of a table may be that of an event that nobody but the person has sent.
    """
    with warehouse.session() as session:
        there = {
            f"{database}.{name}"
            for database in ("landing", "events", "marts")
            for name in session.tables(database)
        }
    found = {
        name: {"before": rows, "after": after.get(name, 0)}
        for name, rows in before.items()
        if name in there
    }
    gone = [rows for name, rows in before.items() if name not in there]
    if gone:
        found[f"{len(gone)} tables that are no more"] = {"before": sum(gone), "after": 0}
    return found
