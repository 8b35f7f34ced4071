"""``engagement audience``: from the customer table to the service, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engagement.audience import history
from engagement.cli import app
from engagement.settings import load_settings
from engagement.warehouse import Warehouse, open_warehouse
from tests.audience.conftest import AS_OF, Row, person
from tests.fakes import Fakes
from tests.fakes.customer_profiles import CustomerProfilesFake

SEGMENT = """
name: everybody
description: All of them.
where: "true"
channels: [email]
"""


@pytest.fixture
def engagement(
    make_shop: Callable[[Sequence[Row]], Warehouse], tmp_path: Path, use_fakes: Callable[..., Fakes]
) -> Callable[..., Any]:
    """Run a command on a shop of three, one of whom cannot be reached; gives its result."""
    make_shop([person("ann"), person("ben"), person("cat", consent_email=False)])
    (tmp_path / "everybody.yaml").write_text(SEGMENT, encoding="utf-8")
    own = {
        "landing.location": tmp_path / "landing",
        "warehouse.duckdb.path": tmp_path / "warehouse.duckdb",
        "run.directory": tmp_path / "runs",
        "audience.segment": tmp_path / "everybody.yaml",
        "as_of": AS_OF,
        "activation.customer_profiles.poll_seconds": 0.01,
        "activation.files.google_ads": "true",
        "activation.files.meta": "true",
        "activation.files.mapping": json.dumps({"Contact": "person_id"}),
    }

    def run(*arguments: str, **overrides: Any) -> Any:
        sets = [f"--set={key}={value}" for key, value in {**own, **overrides}.items()]
        return CliRunner().invoke(app, ["audience", *arguments, *sets])

    return run


def test_plan_send_status_and_down(
    engagement: Callable[..., Any], use_fakes: Callable[..., Fakes], tmp_path: Path
) -> None:
    fake = CustomerProfilesFake()
    fakes = use_fakes(fake)
    planned = engagement("plan")
    assert planned.exit_code == 0, planned.output
    assert "Nothing was sent." in planned.output
    assert "customer-profiles.CreateUploadJob" in planned.output
    assert fakes.calls == []
    exports = tmp_path / "runs" / "interactive" / "exports"
    assert sorted(p.relative_to(exports).as_posix() for p in exports.rglob("*.csv")) == [
        "customer_profiles/everybody-001.csv",
        "google_ads/everybody-001.csv",
        "meta/everybody-001.csv",
        "rejects/customer_profiles-everybody.csv",
        "reverse_etl/everybody-001.csv",
    ]
    refused = engagement("send")
    assert refused.exit_code == 2
    assert "activation.send is not true" in refused.output
    on = {"activation.send": "true"}
    sent = engagement("send", **on)
    assert sent.exit_code == 0, sent.output
    assert "everybody was sent (nothing was sent yet): 2 people" in sent.output
    assert fake.members("everybody-2026-01-31") == ["ann", "ben"]
    report = json.loads((tmp_path / "runs" / "interactive" / "audience.json").read_text())
    assert report["sends"][0]["parts"][0]["outcome"] == "SUCCEEDED"
    again = engagement("send", **on)
    assert "nothing was sent" in again.output
    assert len(fake.imported) == 1
    looked = engagement("status", **on)
    assert "segment everybody-2026-01-31: defined" in looked.output
    assert "Nothing was removed." in engagement("down", **on).output
    gone = engagement("down", "--yes", "--domain", **on)
    assert "removed: segment everybody-2026-01-31" in gone.output
    assert "removed: domain engagement, with every profile in it" in gone.output
    assert fake.domains == {}
    for result in (planned, sent, again, looked, gone):
        assert "shop.example" not in result.output


def test_who_got_nothing_does_not_count_as_exported(
    engagement: Callable[..., Any], tmp_path: Path, use_fakes: Callable[..., Fakes]
) -> None:
    """Files alone count only where the parameters say that somebody uploads them by hand."""
    use_fakes(CustomerProfilesFake())

    def exported() -> list[str]:
        settings = load_settings(
            "params/local.yaml", {"warehouse.duckdb.path": str(tmp_path / "warehouse.duckdb")}
        )
        warehouse = open_warehouse(settings)
        with warehouse.session() as session:
            if not session.columns(history.EXPORTS):
                return []
        found = warehouse.query(f"select person_id from {history.EXPORTS} order by 1")
        return list(found["person_id"])

    planned = engagement("plan")
    assert planned.exit_code == 0, planned.output
    assert exported() == []
    by_hand = engagement("plan", **{"activation.exported_when": "written"})
    assert by_hand.exit_code == 0, by_hand.output
    assert "2 people count as exported" in " ".join(by_hand.output.split())
    assert exported() == ["ann", "ben"]


def test_who_was_sent_counts_as_exported(
    engagement: Callable[..., Any], make_shop: Any, use_fakes: Callable[..., Fakes]
) -> None:
    use_fakes(CustomerProfilesFake())
    warehouse = make_shop([person("ann"), person("cat", consent_email=False)])
    sent = engagement("send", **{"activation.send": "true"})
    assert sent.exit_code == 0, sent.output
    found = warehouse.query(f"select person_id, arm from {history.EXPORTS}")
    assert found.to_numpy().tolist() == [["ann", "treatment"]]


def test_a_segment_that_there_is_not_is_wrong_input(engagement: Callable[..., Any]) -> None:
    result = engagement("plan", "everybodi")
    assert result.exit_code == 2
    assert "did you mean 'everybody'" in result.output


def test_a_service_that_refuses_is_a_failure_with_its_reason(
    engagement: Callable[..., Any], use_fakes: Callable[..., Fakes]
) -> None:
    fakes = use_fakes(CustomerProfilesFake())
    fakes.fail("customer-profiles", code="AccessDeniedException", message="no permission")
    result = engagement("send", **{"activation.send": "true"})
    assert result.exit_code == 1
    assert "customer-profiles.GetDomain: AccessDeniedException: no permission" in result.output
