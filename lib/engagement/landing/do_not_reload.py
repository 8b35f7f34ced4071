"""The do-not-reload list: what a late delivery brings of erased people stays out of the tables.

``landing.erased`` holds keyed hashes of ids, ``landing.erasure_key`` the warehouse's own key. A
record of somebody on the list is set aside with the reason ``erased``, without its text: so it is
counted, and the ledger still adds up. A device's id counts for what was done before the erasure,
and only where the record has no user id: the next one to use it is somebody else.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

import pyarrow as pa
from sqlglot import exp

from engagement.settings import Settings
from engagement.sql.dialect import Table, parse
from engagement.warehouse.protocol import Session

ERASED = Table("landing", "erased")
"""``id_type`` (``user_id``, ``anonymous_id``, ``message_id``), ``id_hash``, ``erased_at`` (UTC)."""

KEY = Table("landing", "erasure_key")
"""One row: ``secret``, what the hashes are keyed with."""

REASON = "erased"

_SCHEMA = pa.schema(
    [("id_type", pa.string()), ("id_hash", pa.string()), ("erased_at", pa.timestamp("ms"))]
)


def secret(session: Session, *, make: bool = False) -> str:
    """The warehouse's key; empty where there is none, unless one is to be made."""
    if session.columns(KEY):
        found = session.fetch(KEY, label="key of erasures")
        return str(found["secret"].iloc[0])
    if not make:
        return ""
    made = secrets.token_hex(32)
    rows = pa.table({"secret": pa.array([made], pa.string())})
    session.append(KEY, rows, lambda old: old.slice(0, 0))
    return made


def listed(session: Session) -> dict[str, dict[str, datetime]]:
    """What is on the list: hashes by the kind of id, and when each was erased."""
    found: dict[str, dict[str, datetime]] = {}
    if session.columns(ERASED):
        rows = session.fetch(ERASED, _SCHEMA.names, label="the do-not-reload list")
        for kind, hashed, at in rows.itertuples(index=False):
            found.setdefault(kind, {})[hashed] = at.to_pydatetime().replace(tzinfo=UTC)
    return found


def put(session: Session, hashes: Mapping[str, Iterable[str]], at: datetime) -> None:
    """Put hashes of ids on the list, by kind; an id that is on it already is erased anew."""
    rows = [(kind, hashed) for kind in sorted(hashes) for hashed in sorted(set(hashes[kind]))]
    if not rows:
        return
    stamp = at.astimezone(UTC).replace(tzinfo=None)
    added = pa.table(
        {
            "id_type": pa.array([kind for kind, _ in rows], pa.string()),
            "id_hash": pa.array([hashed for _, hashed in rows], pa.string()),
            "erased_at": pa.array([stamp] * len(rows), pa.timestamp("ms")),
        },
        schema=_SCHEMA,
    )
    chosen = set(rows)

    def keep(old: pa.Table) -> pa.Table:
        pairs = zip(old["id_type"].to_pylist(), old["id_hash"].to_pylist(), strict=True)
        return old.filter(pa.array([pair not in chosen for pair in pairs], pa.bool_()))

    session.append(ERASED, added, keep)


def refuse(session: Session, settings: Settings) -> None:
    """Give the records of erased people in ``work.classified`` the reason ``erased``."""
    if not session.columns(ERASED):
        return
    session.work("refused", refused_sql(), parameters(settings))
    names = session.columns(Table("work", "classified"))
    chosen: list[exp.Expr] = [
        exp.alias_(
            exp.case()
            .when(exp.column("record_number", table="r").is_(exp.null()).not_(), f"'{REASON}'")
            .else_(exp.column("reason", table="c")),
            name,
        )
        if name == "reason"
        else exp.column(name, table="c", quoted=True)
        for name in names
    ]
    same = exp.column("record_number", table="c").eq(exp.column("record_number", table="r"))
    judged = (
        exp.Select(expressions=chosen)
        .from_(Table("work", "classified").node().as_("c"))
        .join(Table("work", "refused").node().as_("r"), on=same, join_type="left")
    )
    session.work("judged", judged)
    session.work("classified", exp.select("*").from_(Table("work", "judged").node()))


def parameters(settings: Settings) -> dict[str, Any]:
    """Parameters of :func:`refused_sql`."""
    keys = settings.landing.write_keys
    return {
        "every_source": not keys,
        "write_keys": keys,
        "placeholder_ids": settings.identity.bare_placeholder_ids,
    }


@cache
def refused_sql() -> exp.Query:
    """The query for the records in ``work.classified`` of people on the list."""
    file = resources.files("engagement.landing") / "sql" / "erased.sql"
    return parse(file.read_text(encoding="utf-8"), source="landing/sql/erased.sql")
