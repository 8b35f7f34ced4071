"""An erasure reaches where audiences were sent to, and files that are packed."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engagement.erasure import runs
from engagement.erasure.erase import erase
from tests.erasure.test_erasure import FORMER, MARKER, PERSON, Shop, model, two
from tests.fakes import Fakes
from tests.fakes.customer_profiles import CustomerProfilesFake
from tests.flatten.conftest import make_shop

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
