"""An erasure reaches where audiences were sent to, and files that are packed."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from engagement.as_of import resolve_as_of
from engagement.audience import history, snapshots
from engagement.audience.outbox import Outbox
from engagement.audience.reach import Contact, Outcome
from engagement.audience.segments import Segment
from engagement.erasure import runs, tables
from engagement.erasure.erase import erase
from engagement.erasure.people import Person
from engagement.models.runner import build
from tests.erasure.test_erasure import (
    FIRST,
    FORMER,
    MARKER,
    OTHER,
    OWN,
    PERSON,
    SECOND,
    THEIRS_TOO,
    THIRD,
    Line,
    Shop,
    fill,
    model,
    others,
    theirs,
    two,
)
from tests.fakes import Fakes
from tests.fakes.customer_profiles import CustomerProfilesFake
from tests.flatten.conftest import folder, make_shop

__all__ = ["make_shop", "two"]


@pytest.mark.slow
def test_a_person_is_deleted_where_audiences_were_sent_to(
    two: tuple[Shop, Shop],
    use_fakes: Callable[..., Fakes],
) -> None:
    shop, _ = two
    model(shop)
    people = dict(shop.rows("select user_id, person_id from marts.customer_360"))
    fake = CustomerProfilesFake()
    fakes = use_fakes(fake)
    fake.domains["engagement"] = {"DomainName": "engagement", "DefaultExpirationDays": 30}
    for number, person_id in enumerate(people.values()):
        fake.profiles[person_id] = {"ProfileId": f"{number:032x}", "EmailAddress": MARKER}
    activation = shop.settings.activation.model_copy(update={"send": True})
    settings = shop.settings.model_copy(update={"activation": activation})
    # The service refuses at first: nothing of the tables is gone, so the ids are known yet.
    fakes.fail("customer-profiles", "DeleteProfile", code="AccessDeniedException")
    with pytest.raises(Exception, match="AccessDeniedException"):
        erase(settings, [PERSON], dry_run=False)
    found = erase(settings, [PERSON], dry_run=False)
    assert found.receipt.audiences == {"profiles deleted in Customer Profiles": 1}
    assert people[PERSON] not in fake.profiles
    assert set(fake.profiles) == set(people.values()) - {people[PERSON]}
    assert found.path is not None
    text = found.path.read_text(encoding="utf-8")
    assert json.loads(text)["status"] == "done"
    for secret in (PERSON, FORMER, MARKER, people[PERSON]):
        assert secret not in text


# Days on which the person was seen on a device, before and after anybody knew whose it was.
BEFORE_MERGE: dict[str, list[Line]] = {
    f"{folder(FIRST)}/a.json": [theirs(FIRST, 1, anonymousId=OWN)],
    f"{folder(SECOND)}/b.json": [
        theirs(
            SECOND,
            1,
            anonymousId=THEIRS_TOO,
            userId=PERSON,
            type="identify",
            event=...,
            properties=...,
            context={"traits": {"email": f"{MARKER}@shop.example"}},
        ),
        others(SECOND, 2, userId=OTHER, anonymousId="device-stays-81"),
    ],
    # The as-of day is the last whole one.
    f"{folder('2026-01-07')}/b.json": [others("2026-01-07", 1)],
}
MERGE: dict[str, list[Line]] = {
    f"{folder(THIRD)}/c.json": [theirs(THIRD, 1, anonymousId=OWN, userId=PERSON)],
    f"{folder('2026-01-10')}/d.json": [others("2026-01-10", 1)],
}


def id_of(id_type: str, value: str) -> str:
    """The id of a person whose earliest id this is, as identity_map.yml has it."""
    return hashlib.sha256(f"{id_type}:{value}".encode()).hexdigest()[:32]


def model_customers(shop: Shop) -> None:
    layers = ["people", "behaviour", "commerce", "customer"]
    build(shop.warehouse, shop.settings, resolve_as_of(shop.warehouse, shop.settings), layers)


def held_anywhere(shop: Shop, fake: CustomerProfilesFake, texts: Collection[str]) -> set[str]:
    """Where tables, files of runs and the service hold one of some texts."""
    found = set()
    with shop.warehouse.session() as session:
        names = [(db, name) for db in ("events", "landing", "marts") for name in session.tables(db)]
    for database, name in names:
        for row in shop.rows(f'select * from {database}."{name}"'):
            if any(isinstance(cell, str) and text in cell for cell in row for text in texts):
                found.add(f"{database}.{name}")
    runs_ = shop.settings.path(shop.settings.run.directory)
    for path in runs_.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            data += gzip.decompress(data) if path.suffix == ".gz" else b""
            if any(text.encode() in data for text in texts):
                found.add(path.name)
    if any(text in fake.profiles for text in texts):
        found.add("profiles")
    return found


@pytest.mark.slow
def test_what_was_kept_under_an_id_of_before_a_merge_goes_too(
    make_shop: Callable[..., Shop],
    use_fakes: Callable[..., Fakes],
) -> None:
    shop = make_shop(activation__send=True)
    fake = CustomerProfilesFake()
    use_fakes(fake)
    fake.domains["engagement"] = {"DomainName": "engagement", "DefaultExpirationDays": 30}
    fill(shop.landing, files=BEFORE_MERGE)
    shop.flatten()
    model_customers(shop)
    was = [id_of("anonymous_id", OWN), id_of("anonymous_id", THEIRS_TOO)]
    stays = id_of("anonymous_id", "device-stays-81")
    assert {id_ for (id_,) in shop.rows("select person_id from marts.customer_360")} == {
        *was,
        stays,
    }
    # Both of the person's ids are exported, kept in snapshots and sent, and so is somebody else's.
    everybody = Segment(name="all", description="All.", where="true", channels=("email",))
    as_of = resolve_as_of(shop.warehouse, shop.settings)
    snapshots.publish(shop.warehouse, shop.settings, [everybody], as_of)
    contacts = [Contact(one, "email", Outcome.REACHABLE) for one in (*was, stays)]
    history.record(shop.warehouse, everybody, as_of.day, contacts)
    runs_ = shop.settings.path(shop.settings.run.directory)
    box = Outbox(runs_, "engagement", "all")
    box.state.batch = "all-2026-01-06"
    box.save()
    lines = "".join(f"{one},0\n" for one in sorted((*was, stays)))
    box.sent.write_text(f"person_id,row\n{lines}", encoding="utf-8")
    old = runs_ / "20260107T000000Z-aaaa" / "exports" / "reverse_etl" / "all-001.csv.gz"
    old.parent.mkdir(parents=True)
    old.write_bytes(gzip.compress(f"person_id,spent\n{lines}".encode()))
    for number, one in enumerate((*was, stays)):
        fake.profiles[one] = {"ProfileId": f"{number:032x}"}

    fill(shop.landing, files=MERGE)
    shop.flatten()
    model_customers(shop)
    # The earlier id stays, so the later one, which has the address, is known to nothing any more.
    assert dict(shop.rows("select user_id, person_id from marts.customer_360"))[PERSON] == was[0]
    places = {"marts.segment_members", "marts.segment_exports", "sent.csv", "profiles", old.name}
    assert held_anywhere(shop, fake, [was[1]]) == places

    found = erase(shop.settings, [PERSON], dry_run=False)
    assert held_anywhere(shop, fake, [*was, PERSON, OWN, THEIRS_TOO, MARKER]) == set()
    assert places < held_anywhere(shop, fake, [stays])
    assert found.receipt.audiences == {
        "profiles deleted in Customer Profiles": 2,
        "rows of what was sent": 2,
    }
    assert found.receipt.left == []


def test_ids_that_somebody_else_goes_on_with_are_told_apart() -> None:
    who = Person(frozenset({"u-1"}), frozenset({"d-1"}), shared=frozenset({"d-2"}))
    # The map gives all of these one person, whose id is made of the other user's id.
    joined = {
        "user_id": {"u-1", "u-2"},
        "anonymous_id": {"d-1", "d-2"},
        "person_id": {id_of("user_id", "u-2")},
    }
    found = tables.model_ids(joined, who)
    assert found.theirs == {
        id_of(kind, one) for kind in ("user_id", "anonymous_id") for one in ("u-1", "d-1")
    }
    assert found.of_others == {id_of("user_id", "u-2"), id_of("anonymous_id", "d-2")}


def test_rows_of_packed_exports_go_too(tmp_path: Path) -> None:
    path = tmp_path / "20260110T000000Z-aaaa" / "exports" / "reverse_etl" / "all-001.csv.gz"
    path.parent.mkdir(parents=True)
    rows = "person_id,email\np-stays,stays@x.example\np-goes-12345,goes@x.example\n"
    path.write_bytes(gzip.compress(rows.encode()))
    found = runs.scrub(tmp_path, runs.traces((), (), {"p-goes-12345"}), dry_run=False)
    assert list(found.rows.values()) == [1]
    text = gzip.decompress(path.read_bytes()).decode()
    assert list(csv.reader(io.StringIO(text))) == [
        ["person_id", "email"],
        ["p-stays", "stays@x.example"],
    ]
