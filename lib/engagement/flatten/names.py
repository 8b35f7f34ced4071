"""Names of tables and columns: RudderStack's snake case, and the words Athena reserves.

The rules are those of RudderStack's warehouse destinations, so that models written for tables
that RudderStack loaded run here too. Both engines use Athena's reserved words, since their tables
must be the same.
"""

from __future__ import annotations

import re
from functools import lru_cache

from engagement.privacy import name_for

MAX_LENGTH = 127

_TOKEN = re.compile(
    r"[A-Z]?[a-z]+\d+|[A-Z]+\d+|\d+[A-Z]?[a-z]+|\d+[A-Z]+|[A-Z]?[a-z]+"
    r"|[A-Z]+(?=[^A-Za-z0-9]|[A-Z][a-z]|$)|[A-Z]+|\d+"
)
_SEPARATOR = re.compile(r"[^A-Za-z0-9]+")

# Reserved in Athena's queries and in its table definitions; timestamp and date stay plain.
RESERVED = frozenset(
    """
    all alter and array as authorization between bigint binary boolean both by case cashe cast char
    column conf constraint commit create cross cube current current_catalog current_date
    current_path current_role current_schema current_time current_timestamp current_user cursor
    database deallocate decimal delete describe distinct div double drop else end escape except
    exchange execute exists extended external extract false fetch first float following for foreign
    from full function grant group grouping having if import in inner insert int integer intersect
    interval into is join json_array json_exists json_object json_query json_table json_value last
    lateral left less like listagg local localtime localtimestamp macro map more natural none
    normalize not null numeric of on only or order out outer over partialscan partition percent
    preceding precision prepare preserve primary procedure range reads recursive reduce references
    regexp revoke right rlike rollback rollup row rows select set skip smallint start string struct
    table tablesample then time timestamptz to transform trigger trim true truncate unbounded
    uescape union uniquejoin unnest update user using utc_timestamp values varchar views when where
    window with
    """.split()
)

FIXED_TABLES = frozenset(
    {
        "accounts",
        "aliases",
        "discards",
        "events",
        "groups",
        "identifies",
        "pages",
        "screens",
        "tracks",
        "users",
    }
)
"""Tables that no event may be named as."""


@lru_cache(maxsize=100_000)
def snake_case(name: str) -> str:
    """Snake-case a raw name; empty where nothing of it is left.

    Examples
    --------
    >>> [snake_case(n) for n in ("HTTPResponse", "iOS", "3DModel", "$1,00,000", "_id", "名前")]
    ['http_response', 'i_os', '_3dm_odel', '_1_00_000', '_id', '']
    """
    leading = "_" * (len(name) - len(name.lstrip("_")))
    spaced = _SEPARATOR.sub(" ", name)
    tokens = _TOKEN.findall(spaced)
    if not tokens:
        return ""
    snake = leading + "_".join(tokens).lower()
    return "_" + snake if snake[0].isdigit() else snake


def column_name(raw: str) -> str:
    """Name of the column for a raw path joined with ``_``; empty where it has no name.

    One that holds an e-mail address, say, gets a name that does not.
    """
    snake = snake_case(name_for(raw))
    if snake in RESERVED:
        snake = "_" + snake
    return snake[:MAX_LENGTH]


def event_name(event: str) -> str:
    """What the column ``event`` says of an event's name: it in snake case, empty where none is.

    It lacks the underscore that reserved words and the names of fixed tables get as a table's name,
    and has the one before a leading digit, which is part of snake case.

    Examples
    --------
    >>> [event_name(n) for n in ("Order Completed", "tracks", "select", "1st Visit")]
    ['order_completed', 'tracks', 'select', '_1st_visit']
    """
    return snake_case(name_for(event))[:MAX_LENGTH]


def table_name(event: str) -> str:
    """Name of the table for an event's name; empty where it has none."""
    snake = column_name(event)
    return ("_" + snake)[:MAX_LENGTH] if snake in FIXED_TABLES else snake
