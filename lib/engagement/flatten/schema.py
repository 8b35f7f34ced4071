"""Which columns a table has, of which type, and from which paths of the records they come.

The type of a column is a function of the set of its values, never of their order. A declared column
has its declared type; any other takes the narrowest type that holds every value seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, reduce
from operator import add

from engagement.flatten.names import column_name, snake_case
from engagement.sql.conversions import BIGINT, BOOLEAN, DOUBLE, TIMESTAMP, VARCHAR

Path = tuple[str, ...]

DEFAULT_COLUMNS: dict[str, str] = {
    "id": VARCHAR,
    "anonymous_id": VARCHAR,
    "user_id": VARCHAR,
    "sent_at": TIMESTAMP,
    "timestamp": TIMESTAMP,
    "received_at": TIMESTAMP,
    "original_timestamp": TIMESTAMP,
    "channel": VARCHAR,
    "context_ip": VARCHAR,
    "context_request_ip": VARCHAR,
    "context_passed_ip": VARCHAR,
}
"""The columns of every row, in order."""

PARTITION = "received_at_utc_date"

_DECLARED: dict[str, str] = {
    **dict.fromkeys(
        ["price", "value", "revenue", "total", "subtotal", "shipping", "tax", "discount", "rating"],
        DOUBLE,
    ),
    **dict.fromkeys(["quantity"], BIGINT),
    **dict.fromkeys(
        """
        product_id sku name brand category variant currency coupon query cart_id order_id
        checkout_id wishlist_id list_id promotion_id affiliation payment_method shipping_method
        url image_url coupon_id coupon_name products
        """.split(),
        VARCHAR,
    ),
    "context_session_id": BIGINT,
    "context_session_start": BOOLEAN,
    **dict.fromkeys(
        [f"context_screen_{side}" for side in ("width", "height", "inner_width", "inner_height")],
        BIGINT,
    ),
    "context_screen_density": DOUBLE,
    **dict.fromkeys(
        """
        context_user_agent context_locale context_timezone context_app_name context_app_version
        context_app_namespace context_app_build context_app_install_type context_os_name
        context_os_version context_library_name context_library_version context_library_variant
        context_page_url context_page_path context_page_referrer context_page_referring_domain
        context_page_initial_referrer context_page_initial_referring_domain context_page_search
        context_page_title context_page_tab_url context_campaign_source context_campaign_medium
        context_campaign_name context_campaign_term context_campaign_content context_device_id
        context_device_manufacturer context_device_model context_device_name context_device_type
        """.split(),
        VARCHAR,
    ),
}

_EVENT_ONLY = frozenset({"quantity", "products", "price", "value"})


def declared_type(column: str, kind: str) -> str | None:
    """Type that a column was declared with, or ``None``.

    The e-commerce properties are declared on track, page and screen events only (``kind`` is the
    event type): a trait called ``value`` may be anything.
    """
    if column.startswith("context_") or kind == "track":
        return _DECLARED.get(column)
    if column in _EVENT_ONLY or kind not in ("page", "screen"):
        return None
    return _DECLARED.get(column)


@dataclass(frozen=True)
class Root:
    """A part of the record that is flattened, and the prefix its columns get."""

    path: Path
    prefix: str = ""


_CONTEXT = Root(("context",), "context")

ROOTS: dict[str, tuple[Root, ...]] = {
    "tracks": (_CONTEXT,),
    "track": (Root(("properties",)), Root(("userProperties",)), _CONTEXT),
    "identify": (
        Root(("userProperties",)),
        Root(("context", "traits")),
        Root(("traits",)),
        _CONTEXT,
    ),
    "page": (Root(("properties",)), _CONTEXT),
    "screen": (Root(("properties",)), _CONTEXT),
    "group": (Root(("traits",)), _CONTEXT),
    "alias": (Root(("traits",)), _CONTEXT),
}
"""What is flattened per event type; where two keys give one column, the later root wins."""

EXTRA: dict[str, dict[str, Path]] = {
    "group": {"group_id": ("groupId",)},
    "alias": {"previous_id": ("previousId",)},
    "page": {"name": ("name",)},
    "screen": {"name": ("name",)},
}
"""Top-level fields that have a column of their own, per event type; they win over properties."""

FLATTENED = frozenset(
    {root.path[0] for roots in ROOTS.values() for root in roots}
    | {path[0] for paths in EXTRA.values() for path in paths.values()}
)
"""Keys of a record at which something lies that becomes columns, in whatever type of event."""


@dataclass(frozen=True)
class Values:
    """What was counted over the values of one source (blank ones left out)."""

    integers: int = 0
    doubles: int = 0
    booleans: int = 0
    strings: int = 0
    timestamps: int = 0
    arrays: int = 0
    largest_integer: float = 0

    def __add__(self, other: Values) -> Values:
        return Values(
            self.integers + other.integers,
            self.doubles + other.doubles,
            self.booleans + other.booleans,
            self.strings + other.strings,
            self.timestamps + other.timestamps,
            self.arrays + other.arrays,
            max(self.largest_integer, other.largest_integer),
        )

    def type(self) -> str | None:
        """Narrowest type that holds every value; ``None`` if there is no value.

        ``timestamps`` are counted among ``strings`` too; integral doubles count as integers.
        """
        numbers = self.integers + self.doubles
        others = self.booleans + self.strings + self.arrays
        if not numbers and not others:
            return None
        if numbers and not others:
            if not self.doubles and self.largest_integer < 2**63:
                return BIGINT
            return DOUBLE if self.largest_integer <= 2**53 else VARCHAR
        if self.booleans and not numbers and not self.strings and not self.arrays:
            return BOOLEAN
        if self.strings and self.strings == self.timestamps and not (numbers or self.booleans):
            return VARCHAR if self.arrays else TIMESTAMP
        return VARCHAR


@dataclass(frozen=True)
class Source:
    """One path that feeds a column, the kinds of values seen there, and what they are.

    ``root`` counts the parts of the record that are flattened: this is the one that the path is in.
    ``inner`` are paths below it, of an object that is read as a whole.
    """

    path: Path
    kinds: frozenset[str]
    values: Values = Values()
    root: int = 0
    inner: tuple[Path, ...] = ()

    def given(self, values: Mapping[Path, int]) -> int:
        """How many values it has, of values counted by path; of objects, at least so many."""
        within = (values.get(path, 0) for path in self.inner)
        return values.get(self.path, 0) + max(within, default=0)


@dataclass
class Column:
    """A column to be, with its sources, of which the last one that is not blank wins.

    Sources of a later root come later. Within one root the record's own order decides, whatever the
    order in which they stand here: ``{"osv": 9, "Osv": 8}`` gives 8. One that ``is_list`` has the
    JSON text of a list of objects, whatever was sent in its place: see :func:`with_lists`.
    """

    name: str
    declared: str | None
    sources: list[Source] = field(default_factory=list)
    is_list: bool = False

    def type(self) -> str | None:
        """Its declared type, or the narrowest that holds every value; ``None`` if there is none."""
        if self.declared:
            return self.declared
        return reduce(add, (source.values for source in self.sources), Values()).type()


@dataclass(frozen=True)
class Unnamed:
    """A path that has no column, and why."""

    table: str
    path: Path
    reason: str


def plan_columns(
    table: str,
    kind: str,
    paths: Iterable[tuple[Path, frozenset[str]]],
    declared: Mapping[str, str] | None = None,
) -> tuple[list[Column], list[Unnamed]]:
    """Work out the columns that a table's records ask for.

    Parameters
    ----------
    kind
        The event type, or ``tracks`` for the table of all tracks.
    paths
        Every path with a value in the table's records, and the kinds of its values.
    declared
        Types of columns by a tracking plan, which go before the project's own.
    """
    own = declared or {}
    taken = {*DEFAULT_COLUMNS, PARTITION}
    if kind in ("track", "tracks"):
        taken |= {"event", "event_text"}
    columns: dict[str, Column] = {}
    unnamed: list[Unnamed] = []
    seen = sorted(paths, key=lambda pair: pair[0])
    for place, root in enumerate(ROOTS[kind]):
        for path, kinds in seen:
            if path[: len(root.path)] != root.path:
                continue
            parts = path[len(root.path) :]
            if not parts:
                if len(path) == 1:
                    unnamed.append(Unnamed(table, path, "no object, so it has no names"))
                continue
            name = column_name("_".join((root.prefix, *parts) if root.prefix else parts))
            if not all(snake_case(part) for part in parts):
                unnamed.append(Unnamed(table, path, "no letter or digit of a-z, 0-9 in its name"))
            elif name in taken:
                if path != ("context", "ip"):
                    unnamed.append(Unnamed(table, path, f"'{name}' is a default column"))
            else:
                promised = own.get(name) or declared_type(name, kind)
                is_list = name == LISTED and promised == VARCHAR and kind == "track"
                column = columns.setdefault(name, Column(name, promised, is_list=is_list))
                column.sources.append(Source(path, kinds, root=place))
    last = len(ROOTS[kind])
    for name, path in EXTRA.get(kind, {}).items():
        column = columns.setdefault(name, Column(name, VARCHAR))
        column.declared = own.get(name, VARCHAR)
        column.sources.extend(
            Source(path, kinds, root=last) for other, kinds in seen if other == path
        )
    return list(columns.values()), unnamed


LISTED = "products"
"""The property of tracks that is a list of objects, also where it was sent as an object."""


@cache
def list_above(kind: str, path: Path) -> Path | None:
    """The path of the list of products that a path leads to or into; ``None`` if it does not."""
    for root in ROOTS[kind] if kind == "track" else ():
        depth = len(root.path) + 1
        if path[: len(root.path)] == root.path and len(path) >= depth and not root.prefix:
            return path[:depth] if column_name(path[depth - 1]) == LISTED else None
    return None


def has_lists(kind: str, declared: Mapping[str, str]) -> bool:
    """Whether products are a list in a table with these types by a tracking plan."""
    return kind == "track" and declared.get(LISTED, VARCHAR) == VARCHAR


def with_lists(
    kind: str, sources: Mapping[Path, Source], declared: Mapping[str, str]
) -> dict[Path, Source]:
    """Let a list that was sent as an object be one source, in the place of all that is in it."""
    if not has_lists(kind, declared):
        return dict(sources)
    found: dict[Path, Source] = {}
    for path, source in sources.items():
        above = list_above(kind, path)
        if above is None or above == path:
            same = found.get(path)
            found[path] = replace(source, inner=same.inner) if same else source
        else:
            known = found.get(above) or sources.get(above) or Source(above, frozenset())
            kinds, inner = known.kinds | {"object"}, (*known.inner, path)
            found[above] = replace(known, kinds=kinds, inner=inner)
    return dict(sorted(found.items()))


@cache
def homes(kind: str, path: Path) -> tuple[str, ...]:
    """Names of the columns that a path feeds on its own, in a table of this event type.

    Empty where it is no part of the record that is flattened.
    """
    names = [
        column_name(
            "_".join(
                (root.prefix, *path[len(root.path) :]) if root.prefix else path[len(root.path) :]
            )
        )
        for root in ROOTS[kind]
        if len(path) > len(root.path) and path[: len(root.path)] == root.path
    ]
    names += [name for name, own in EXTRA.get(kind, {}).items() if own == path]
    # A root that is no object itself is reported, with the reason.
    if any(path == root.path for root in ROOTS[kind]):
        names.append("")
    return tuple(names)


def is_flattened(kind: str, path: Path) -> bool:
    """Whether a path is in a part of the record that becomes columns."""
    return bool(homes(kind, path))


def is_looked_into(kind: str, path: Path, declared: Mapping[str, str]) -> bool:
    """Whether the values of a path decide the type of a column, or may not fit it."""
    if has_lists(kind, declared) and list_above(kind, path):
        return False
    for name in homes(kind, path):
        promised = declared.get(name) or declared_type(name, kind)
        if name in EXTRA.get(kind, {}):
            promised = declared.get(name, VARCHAR)
        if promised in (None, BIGINT) and name:
            return True
    return False
