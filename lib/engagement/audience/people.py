"""Who a person of an earlier day is today: ids of people change when people are merged.

A person's id is made of the person's earliest id. When two people turn out to be one, the older id
stays and the other one goes; but every id that a person ever had is made of one of the ids that the
person has now, so it can be found again in ``marts.identity_map`` without any history.
"""

from __future__ import annotations

from engagement.warehouse import Table

IDENTITY_MAP = Table("marts", "identity_map")

FORMER = f"""
    select
        substring(sha256_hex(i.id_type || ':' || i.id), 1, 32) as former_id,
        i.person_id
    from {IDENTITY_MAP} as i
"""
"""The query for ``former_id, person_id``: whose an id that was once a person's is now. Each former
id is there once; the id of a person who was never merged is among them, as its own."""
