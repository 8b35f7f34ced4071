"""``engagement personalize …`` as people type it: plan, up, status, down, replay."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from engagement.cli import app
from tests.fakes import Ending, Fakes
from tests.fakes.personalize import PersonalizeEventsFake, PersonalizeFake, QuotasFake
from tests.fakes.server import REGION


class Commands:
    """The command line, with a landing, exports and an account of fakes."""

    def __init__(self, tmp_path: Path, fakes: Fakes, fake: PersonalizeFake) -> None:
        self.fakes, self.fake, self.folder = fakes, fake, tmp_path
        self.events = PersonalizeEventsFake("tracking-1")
        self.sets = {
            "project": "shop",
            "landing.location": tmp_path / "landing",
            "warehouse.duckdb.path": tmp_path / "engagement.duckdb",
            "run.directory": tmp_path / "runs",
            "personalize.live.checkpoint": tmp_path / "live.sqlite",
        }

    def send(self) -> None:
        self.sets |= {
            "personalize.submit": "true",
            "personalize.region": REGION,
            "personalize.location": "s3://shop-data/personalize",
            "personalize.poll_seconds": "0.001",
        }

    def __call__(self, *words: str, code: int = 0) -> str:
        sets = [part for key, value in self.sets.items() for part in ("--set", f"{key}={value}")]
        found = CliRunner().invoke(app, ["personalize", *words, *sets])
        assert found.exit_code == code, found.output
        return found.output


@pytest.fixture
def commands(tmp_path: Path, use_fakes: Callable[..., Fakes]) -> Iterator[Commands]:
    fake = PersonalizeFake()
    fakes = use_fakes(fake, QuotasFake(), PersonalizeEventsFake("tracking-1"))
    found = Commands(tmp_path, fakes, fake)
    found.events = fakes._fakes["personalize-events"]  # type: ignore[assignment]
    exports = tmp_path / "runs" / "one" / "exports" / "personalize"
    exports.mkdir(parents=True)
    (exports / "interactions.avsc").write_text("{}", encoding="utf-8")
    (exports / "interactions.csv").write_text("USER_ID\nu-1\n", encoding="utf-8")
    day = tmp_path / "landing" / "received_at_utc_date=2026-09-02"
    day.mkdir(parents=True)
    (day / "events.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, EVENTS)).encode()))
    with mock_aws(config={"core": {"mock_credentials": False}}):
        boto3.client("s3", region_name=REGION).create_bucket(
            Bucket="shop-data", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        yield found


EVENTS: list[dict[str, Any]] = [
    {
        "type": "track",
        "event": "Product Viewed",
        "messageId": f"m-{number}",
        "anonymousId": "jane@shop.example",
        "originalTimestamp": "2026-09-02T10:00:00Z",
        "properties": {"product_id": f"p-{number}"} if number else {},
    }
    for number in range(4)
]


def test_nothing_is_sent_unless_the_parameters_say_so(commands: Commands) -> None:
    said = commands("plan")
    assert "CreateRecommender" in said
    assert "none sent" in said
    assert "billed for each hour that it is there" in said
    assert "Product Viewed is View in the data sets" in said
    folder = commands.folder / "runs" / "one" / "requests" / "personalize"
    names = [path.name for path in sorted(folder.iterdir())]
    assert names[0] == "001-iam-CreateRole.json"
    destinations = json.loads((folder / "rudderstack_destinations.json").read_text("utf-8"))
    (config,) = [one["config"] for one in destinations["destinations"]]
    assert config["trackingId"] == "env.PERSONALIZE_TRACKING_ID"
    assert config["customMappings"] == [{"from": "product_id", "to": "ITEM_ID"}]
    assert "This is the plan" in commands("up", "--yes")
    assert "no account is asked" in commands("status")
    assert "nothing is removed" in commands("down", "--yes")
    said = commands("replay")
    assert "3 entries in 1 call" in said
    assert "1 left out: PutEvents, there is no product_id" in said
    sample = commands.folder / "runs" / "interactive" / "requests" / "personalize-live"
    text = (sample / "001-personalize-events-PutEvents.json").read_text(encoding="utf-8")
    assert "jane" not in text
    assert "p-1" not in text
    assert commands.fakes.calls == []


def test_a_set_up_is_made_looked_at_fed_and_removed(commands: Commands) -> None:
    commands.send()
    assert "Nothing of this project is there" in commands("status")
    assert "no yes was given" in commands("up", code=1)
    said = commands("up", "--yes")
    assert "costs: recommender recommended-for-you" in said
    assert "Quotas: Recommenders in each dataset group: 20" in said
    assert "123456789012" not in said
    assert "nothing was changed" in commands("up", "--yes")
    assert "ACTIVE" in commands("status")

    assert "nothing" not in commands("plan")
    folder = commands.folder / "runs" / "one" / "requests" / "personalize"
    destinations = json.loads((folder / "rudderstack_destinations.json").read_text("utf-8"))
    assert destinations["destinations"][0]["config"]["trackingId"] == "tracking-1"
    assert [path.name for path in folder.iterdir()] == ["rudderstack_destinations.json"]

    said = commands("replay")
    assert "3 entries sent in 1 call from 1 file" in said
    assert set(commands.events.events) == {"m-1", "m-2", "m-3"}
    assert "0 entries sent in 0 calls" in commands("replay")
    assert "Live: 3 entries sent from 1 file" in commands("status")
    assert "0 entries sent" in commands("replay", "--since", "2026-09-03")

    file = commands.folder / "metrics.json"
    assert "0.1250" in commands("metrics", "recommended-for-you", str(file))
    assert json.loads(file.read_text(encoding="utf-8"))["metrics"]["coverage"] == 0.5

    assert "no yes was given" in commands("down", code=1)
    assert "nothing that carries the project's tag is left" in commands("down", "--yes")
    assert commands.fake.names() == {}
    assert "there is no event tracker" in commands("replay", code=1)


def test_what_failed_is_told_with_the_services_reason(commands: Commands) -> None:
    commands.send()
    commands.fake.script("recommender", Ending("CREATE FAILED", {"failureReason": "too few users"}))
    assert "failed: too few users" in commands("up", "--yes", code=1)
    assert "too few users" in commands("status")


def test_a_mapping_with_a_mistake_is_wrong_input(commands: Commands) -> None:
    path = commands.folder / "mapping.yaml"
    path.write_text("put_event: {}", encoding="utf-8")
    commands.sets["personalize.live.mapping"] = path
    assert "put_event: there is no such key" in commands("replay", code=2)


def test_without_exports_the_plan_says_where_they_come_from(commands: Commands) -> None:
    said = commands("plan", "--exports", str(commands.folder), code=1)
    assert "holds no interactions" in said
