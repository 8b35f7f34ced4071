"""What a run found out, as small files that the shop's pages read.

``current.json`` names the version that counts, a folder beside it::

    shop.json          products that are popular, by category too, what goes with each, and shards
    people/<2>.json    per person: segments, and products for them; a shard of the people

Nobody is named: the key is a digest of an id that the person's browser knows, its anonymous id or
its user id. That is a pseudonym, not anonymity: who knows an id finds what belongs to it.

A version is written whole before ``current.json`` names it, and the one before stays, so that a
page that has just read the old name still finds its files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engagement import owner_only
from engagement.warehouse import Session, Table, Warehouse

CURRENT = "current.json"

_SHOWN = 24
"""Products of one list. The shop shows a few of them: it leaves out what is in the cart."""

POPULAR = Table("marts", "recommendations_popular")
SIMILAR = Table("marts", "recommendations_similar_items")
FOR_YOU = Table("marts", "recommendations_for_you")
MEMBERS = Table("marts", "segment_members")
PRODUCTS = Table("marts", "product_performance")
CUSTOMERS = Table("marts", "customer_360")

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Exported:
    """What was exported: its version, people with something of their own, and whether it is new."""

    version: str
    people: int
    is_new: bool


def key(id_type: str, identity: str) -> str:
    """The digest that stands for an id: ``id_type`` is ``anonymous_id`` or ``user_id``."""
    return hashlib.sha256(f"{id_type}:{identity}".encode()).hexdigest()[:32]


def export(warehouse: Warehouse, folder: Path, as_of: datetime) -> Exported:
    """Write what the tables say, and make it count.

    Tables that are not there yet are made up for: popularity by what was ordered, put into carts
    and viewed; products for a person by that in the category they spent most on, else in their
    favourite one.

    Parameters
    ----------
    folder
        Where versions go. Nothing else may be in it.
    as_of
        The newest event that the tables know, in UTC.
    """
    with warehouse.session() as session:
        shop = _shop(session)
        people = _people(session, shop)
    shards = _sharded(people)
    files = {"shop.json": _dump({**shop, "shards": sorted(shards)})}
    for shard, found in sorted(shards.items()):
        files[f"people/{shard}.json"] = _dump(found)
    digest = hashlib.sha256()
    for name, text in files.items():
        digest.update(f"{name}\n{text}".encode())
    version = digest.hexdigest()[:16]
    owner_only.folder(folder)
    before = _current(folder)
    if not (folder / version).exists():
        draft = folder / f"{version}.part"
        shutil.rmtree(draft, ignore_errors=True)
        owner_only.folder(draft / "people")
        for name, text in files.items():
            owner_only.write(draft / name, text)
        draft.rename(folder / version)
    moment = as_of.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    owner_only.replace(folder / CURRENT, _dump({"version": version, "as_of": moment}))
    for one in folder.iterdir():
        if one.is_dir() and one.name not in (version, before):
            shutil.rmtree(one)
    return Exported(version, len(people), version != before)


def _current(folder: Path) -> str | None:
    try:
        found: str = json.loads((folder / CURRENT).read_text(encoding="utf-8"))["version"]
    except FileNotFoundError:
        return None
    return found


def _dump(found: Any) -> str:
    return json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"


def _sharded(people: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    shards: dict[str, dict[str, Any]] = defaultdict(dict)
    for digest, found in people.items():
        shards[digest[:2]][digest] = found
    return shards


def _rows(session: Session, sql: str, label: str) -> Rows:
    return list(session.query(sql, label=label).itertuples(index=False, name=None))


def _listed(rows: Iterable[tuple[Any, ...]]) -> dict[str, list[str]]:
    """Products by what they belong to, the best first: rows of owner and product, in order."""
    found: dict[str, list[str]] = {}
    for owner, product in rows:
        mine = found.setdefault(str(owner), [])
        if len(mine) < _SHOWN:
            mine.append(str(product))
    return found


# --- the shop -------------------------------------------------------------------------------------


def _shop(session: Session) -> dict[str, Any]:
    by_kind: dict[str, list[str]] = {}
    categories: dict[str, list[str]] = {}
    if session.columns(POPULAR):
        rows = _rows(
            session,
            f"""select p.kind, p.category, p.product_id from {POPULAR} as p
            where p.rank <= {_SHOWN} order by p.kind, p.category, p.rank, p.product_id""",
            "popular products",
        )
        by_kind = _listed((kind, product) for kind, _, product in rows if kind != "category")
        categories = _listed((name, product) for kind, name, product in rows if kind == "category")
    elif session.columns(PRODUCTS):
        rows = _rows(
            session,
            f"""select p.category, p.product_id from {PRODUCTS} as p
            where p.product_id <> '(not set)'
            order by p.orders * 10 + p.adds * 3 + p.views desc, p.product_id""",
            "popular products, from what was done with them",
        )
        by_kind = _listed(("overall", product) for _, product in rows)
        categories = _listed((name, product) for name, product in rows if name is not None)
    similar: dict[str, list[str]] = {}
    if session.columns(SIMILAR):
        similar = _listed(
            _rows(
                session,
                f"""select s.product_id, s.similar_product_id from {SIMILAR} as s
                where s.rank <= {_SHOWN} order by s.product_id, s.rank, s.similar_product_id""",
                "similar products",
            )
        )
    return {
        "popular": by_kind.get("overall", []),
        "trending": by_kind.get("trending", []),
        "categories": categories,
        "similar": similar,
    }


# --- people ---------------------------------------------------------------------------------------


def _people(session: Session, shop: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By digest of each id: the person's segments, and products for them."""
    segments = _segments(session)
    products = _for_you(session, shop["categories"])
    people: dict[str, dict[str, Any]] = {}
    for id_type, identity, person in _rows(
        session,
        "select i.id_type, i.id, i.person_id from marts.identity_map as i",
        "ids of people",
    ):
        found = {"segments": segments.get(person, []), "for_you": products.get(person, [])}
        if any(found.values()):
            people[key(id_type, identity)] = found
    return people


def _segments(session: Session) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    if session.columns(MEMBERS):
        for person, segment in _rows(
            session,
            f"""select m.person_id, m.segment from {MEMBERS} as m
            inner join (
                select segment, max(as_of) as newest from {MEMBERS} group by segment
            ) as n on m.segment = n.segment and m.as_of = n.newest
            where m.status <> 'left' and not m.is_holdout
            order by m.segment, m.person_id""",
            "segments of people",
        ):
            found[person].append(segment)
    for person, stage in _rows(
        session,
        f"""select c.person_id, c.lifecycle_stage from {CUSTOMERS} as c
        where not c.is_bot order by c.person_id""",
        "stages of people",
    ):
        found[person].append(stage)
    return found


def _for_you(session: Session, categories: Mapping[str, list[str]]) -> dict[str, list[str]]:
    if session.columns(FOR_YOU):
        return _listed(
            _rows(
                session,
                f"""select r.person_id, r.product_id from {FOR_YOU} as r
                where r.rank <= {_SHOWN} order by r.person_id, r.rank, r.product_id""",
                "products for people",
            )
        )
    bought = defaultdict(set)
    for person, product in _rows(
        session,
        """select o.person_id, i.product_id from marts.order_items as i
        inner join marts.orders as o on i.order_id = o.order_id
        where i.product_id is not null""",
        "what people bought",
    ):
        bought[person].add(product)
    favourites = _rows(
        session,
        f"""select c.person_id, coalesce(c.top_category_by_spend, c.favourite_category) as category
        from {CUSTOMERS} as c
        where not c.is_bot and coalesce(c.top_category_by_spend, c.favourite_category) is not null
        order by c.person_id""",
        "favourite categories",
    )
    return {
        person: [one for one in categories.get(category, []) if one not in bought[person]]
        for person, category in favourites
    }
