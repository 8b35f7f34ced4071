"""Who a person of an earlier day is today: ids of people change when people are merged.

A person's id is made of the person's earliest id. When two people turn out to be one, the older id
stays and the other one goes; but every id that a person ever had is made of one of the ids that the
person has now, so it can be found again in ``marts.identity_map`` without any history.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import pyarrow as pa

from engagement.warehouse import Session, Table

IDENTITY_MAP = Table("marts", "identity_map")
IDENTITY_LINKS = Table("marts", "identity_links")


def person_id(id_type: str, value: str) -> str:
    """The id of a person whose earliest id this is, as ``marts.identity_map`` makes it.

    Parameters
    ----------
    id_type
        ``user_id`` or ``anonymous_id``.
    value
        The id as sent.
    """
    return hashlib.sha256(f"{id_type}:{value}".encode()).hexdigest()[:32]


FORMER = f"""
    select
        substring(sha256_hex(i.id_type || ':' || i.id), 1, 32) as former_id,
        i.person_id
    from {IDENTITY_MAP} as i
"""
"""The query for ``former_id, person_id``: whose an id that was once a person's is now. Each former
id is there once; the id of a person who was never merged is among them, as its own."""

_NOW = f"""
    select m.person_id
    from work.named_people as n
    inner join {IDENTITY_MAP} as m on n.id = m.id
    where n.kind = 'user_id' and m.id_type = 'user_id'
    union all
    select f.person_id
    from work.named_people as n
    inner join ({FORMER}) as f on n.id = f.former_id
    where n.kind = 'person_id'
"""

_ON_SHARED_DEVICES = f"""
    select u.person_id
    from (
        select
            l.user_id,
            row_number() over (partition by l.id order by l.first_received_at, l.user_id) as place
        from work.named_people as n
        inner join {IDENTITY_MAP} as d on n.id = d.person_id
        inner join {IDENTITY_LINKS} as l on d.id = l.id and l.id_type = 'anonymous_id'
        where n.kind = 'person_id' and d.is_shared_device
    ) as s
    inner join {IDENTITY_MAP} as u on s.user_id = u.id and u.id_type = 'user_id'
    where s.place <= :most_users
"""
"""The device's own person may once have been a user of it, when it was not shared yet: it was with
as many users as a device may have."""


def people_now(
    session: Session,
    person_ids: Collection[str],
    user_ids: Collection[str],
    max_users_per_device: int,
) -> set[str]:
    """Who some ids stand for today: ids of people, whichever they had when they were written down.

    Parameters
    ----------
    person_ids
        Ids that people have in ``marts.customer_360``, or had there before a merge.
    user_ids
        Any of a person's user ids.
    max_users_per_device
        ``identity.max_users_per_device`` of the parameters.
    """
    if not (person_ids or user_ids) or not session.columns(IDENTITY_MAP):
        return set()
    named = [
        *(("person_id", one) for one in sorted(person_ids)),
        *(("user_id", one) for one in sorted(user_ids)),
    ]
    kinds, ids = zip(*named, strict=True)
    rows = pa.table({"kind": pa.array(kinds, pa.string()), "id": pa.array(ids, pa.string())})
    session.rows("named_people", rows, {"kind": "varchar", "id": "varchar"})
    found = set(session.query(_NOW, label="people of listed ids")["person_id"])
    if person_ids and session.columns(IDENTITY_LINKS):
        most = {"most_users": max_users_per_device}
        more = session.query(_ON_SHARED_DEVICES, most, label="people of listed devices")
        found |= set(more["person_id"])
    return found
