"""What would be sent: written exactly, checked, without people; and no secret anywhere."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engagement.audience import planning
from engagement.aws import requests, service_model
from engagement.errors import FailedError, WrongInputError
from engagement.settings import ROOT, Settings
from tests.audience.profiles import CAMPAIGN, MON, TUE, WED, Shop, member, members, shop
from tests.fakes import NEVER, Ending, Fakes

MakeShop = Callable[..., Shop]


@pytest.fixture
def make_shop(
    make_settings: Callable[..., Settings],
    use_fakes: Callable[..., Fakes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> MakeShop:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    monkeypatch.setattr("engagement.audience.uploading.time.sleep", lambda _: None)
    return lambda **overrides: shop(make_settings, use_fakes, tmp_path, **overrides)


def plan(made: Shop, rows: list[dict[str, Any]], as_of: Any = MON) -> list[requests.Planned]:
    export = made.export(rows, as_of)
    return planning.plan(made.sender, export, as_of, made.folder / "requests", today=as_of)


def written(made: Shop) -> list[dict[str, Any]]:
    folder = made.folder / "requests" / "audience"
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.iterdir())]


def test_the_plan_is_what_the_send_then_calls(make_shop: MakeShop) -> None:
    made = make_shop(activation__campaign={**CAMPAIGN, "started": True})
    plan(made, members("ann", "ben"))
    assert made.fakes.calls == []
    documents = written(made)
    assert [f"{d['service']}.{d['operation']}" for d in documents] == [
        "customer-profiles.CreateDomain",
        "customer-profiles.CreateUploadJob",
        "customer-profiles.GetUploadJobPath",
        "https.PUTUploadFile",
        "customer-profiles.StartUploadJob",
        "customer-profiles.GetUploadJob",
        "customer-profiles.CreateSegmentDefinition",
        "customer-profiles.SearchProfiles",
        "customer-profiles.GetSegmentMembership",
        "customer-profiles.CreateSegmentEstimate",
        "customer-profiles.GetSegmentEstimate",
        "connectcampaignsv2.CreateCampaign",
        "connectcampaignsv2.StartCampaign",
    ]
    made.send(members("ann", "ben"))
    called = {call.operation: json.loads(json.dumps(call.parameters, default=str))
              for call in made.fakes.calls if not call.error}  # fmt: skip
    for document in documents:
        if document["operation"] in ("CreateDomain", "CreateUploadJob", "CreateSegmentDefinition"):
            assert document["parameters"] == called[document["operation"]]
    campaign = next(d for d in documents if d["operation"] == "CreateCampaign")["parameters"]
    sent = called["CreateCampaign"]
    assert campaign["source"] == {
        "customerProfilesSegmentArn": "<SegmentDefinitionArn of CreateSegmentDefinition>"
    }
    for part in ("communicationTimeConfig", "communicationLimitsOverride", "tags", "name"):
        assert campaign[part] == sent[part]


LOOKS = {
    "GetDomain", "ListUploadJobs", "GetSegmentDefinition", "GetProfileObjectType",
    "ListCampaigns", "DescribeCampaign", "GetCampaignState",
}  # fmt: skip
"""Calls that only look whether something is there, or how it is."""


def in_order(names: Sequence[str]) -> list[str]:
    """Names, each once where it stands several times in a row."""
    return [one for place, one in enumerate(names) if place == 0 or names[place - 1] != one]


def planned_and_sent(
    made: Shop, rows: list[dict[str, Any]], as_of: Any
) -> tuple[list[str], list[str], dict[str, Any]]:
    """Operations of a plan, those of the send that follows, and the planned parameters."""
    plan(made, rows, as_of)
    documents = written(made)
    before = len(made.fakes.calls)
    made.send(rows, as_of)
    calls = made.fakes.calls[before:]
    planned = [d["operation"] for d in documents if d["service"] != "https"]
    called = [call.operation for call in calls if call.operation not in LOOKS]
    for document in documents:
        if "people" in document or document["service"] == "https":
            continue
        sent = [c.parameters for c in calls if c.operation == document["operation"]]
        wanted = document["parameters"]
        given = json.loads(json.dumps(sent, default=str))
        assert any(_fits(wanted, one) for one in given), (document["operation"], wanted, given)
    return (
        in_order(planned),
        in_order(called),
        {d["operation"]: d.get("parameters") for d in documents},
    )


def _fits(planned: Any, sent: Any) -> bool:
    """Whether parameters are those planned, but for what only an answer gives or is masked."""
    if isinstance(planned, str) and (planned.startswith("<") or "…" in planned):
        return True
    if isinstance(planned, dict) and isinstance(sent, dict):
        return planned.keys() == sent.keys() and all(_fits(planned[k], sent[k]) for k in planned)
    if isinstance(planned, str):  # a moment is written in two ways
        planned = planned.replace("+00:00", "Z")
    return bool(planned == sent)


IMPORT = ["CreateUploadJob", "GetUploadJobPath", "StartUploadJob", "GetUploadJob"]
READ_BACK = [
    "SearchProfiles", "GetSegmentMembership", "CreateSegmentEstimate", "GetSegmentEstimate",
]  # fmt: skip


def test_later_plans_are_what_the_sends_then_call(make_shop: MakeShop) -> None:
    """What earlier sends made is not made again; what they left is changed or goes."""
    made = make_shop(
        activation__campaign=CAMPAIGN, activation__customer_profiles__domain_expiry_days=100
    )
    planned, called, _ = planned_and_sent(made, members("ann", "ben"), MON)
    assert planned == called
    assert called == [
        "CreateDomain", *IMPORT, "CreateSegmentDefinition", *READ_BACK, "CreateCampaign",
    ]  # fmt: skip

    # Everybody again, with other parameters: a new batch, and the older definition goes.
    made.change(
        activation__customer_profiles__mode="full",
        activation__customer_profiles__domain_expiry_days=200,
        activation__campaign={**CAMPAIGN, "started": True, "limits": [{"messages": 1, "days": 1}]},
    )
    planned, called, parameters = planned_and_sent(made, members("ann", "ben"), TUE)
    assert planned == called
    assert called == [
        "UpdateDomain", *IMPORT, "CreateSegmentDefinition", *READ_BACK,
        "UpdateCampaignSource", "UpdateCampaignCommunicationLimits", "StartCampaign",
        "DeleteSegmentDefinition",
    ]  # fmt: skip
    assert parameters["UpdateDomain"] == {"DomainName": "engagement", "DefaultExpirationDays": 200}
    assert parameters["DeleteSegmentDefinition"]["SegmentDefinitionName"] == "win_back-2026-02-02"

    # Nothing is different: it is only compared.
    planned, called, _ = planned_and_sent(made, members("ann", "ben"), TUE)
    assert planned == called == READ_BACK

    # A few changes, one by one: the type of records is described once.
    made.change(
        activation__customer_profiles__mode="delta", activation__customer_profiles__puts_up_to=10
    )
    for day, types in ((WED, ["PutProfileObjectType"]), (date(2026, 2, 5), [])):
        planned, called, _ = planned_and_sent(made, [member("ann", city=str(day))], day)
        assert planned == called == [*types, "BatchPutProfileObject", *READ_BACK]


def test_the_plan_after_a_send_that_broke_off_finishes_that_first(make_shop: MakeShop) -> None:
    made = make_shop()
    made.profiles.script("upload job", NEVER)
    with pytest.raises(FailedError):
        made.send(members("ann", "ben"), MON)
    (job,) = made.profiles.jobs.values()
    assert job.progress is not None
    job.progress.ending = Ending("SUCCEEDED")
    planned, called, _ = planned_and_sent(made, members("ann", "cat"), TUE)
    assert planned == called
    # It was started, and is waited for. Then one comes and one leaves, in a file each.
    assert called == ["GetUploadJob", *IMPORT, *IMPORT, "CreateSegmentDefinition", *READ_BACK]
    assert made.inside() == ["ann", "cat"]


def test_the_upload_names_the_export_and_its_sha256(make_shop: MakeShop) -> None:
    made = make_shop()
    export = made.export(members("ann", "ben"))
    planning.plan(made.sender, export, MON, made.folder / "requests", today=MON)
    upload = next(d for d in written(made) if d["service"] == "https")
    assert upload["people"] == {
        "count": 2,
        "file": "win_back-2026-02-02-001.csv",
        "sha256": export.files[0].sha256,
        "calls": 1,
        "shown": "one sample, masked",
    }
    assert upload["url"] == "<Url of GetUploadJobPath>"


def test_few_changes_are_planned_as_single_records(make_shop: MakeShop) -> None:
    made = make_shop(activation__customer_profiles__puts_up_to=100)
    ids = [f"p{n:02d}" for n in range(25)]
    made.send(members(*ids))
    before = made.sender.box.state
    plan(made, [member(i, city="Bonn") for i in ids], TUE)
    assert made.sender.box.state == before  # planning changes nothing
    (put,) = [d for d in written(made) if d["operation"] == "BatchPutProfileObject"]
    assert put["people"]["count"] == 25
    assert put["people"]["calls"] == 3
    (item,) = put["parameters"]["Items"]
    assert set(json.loads(item["Object"]).values()) == {"…"}


def test_a_plan_does_not_disturb_a_send_that_broke_off(make_shop: MakeShop) -> None:
    made = make_shop()
    made.profiles.script("upload job", NEVER)
    with pytest.raises(FailedError):
        made.send(members("ann"))
    before = made.sender.box.state
    files = sorted(p.name for p in made.sender.box.room.iterdir())
    plan(made, members("ann", "ben"), TUE)
    assert made.sender.box.state == before
    assert sorted(p.name for p in made.sender.box.room.iterdir()) == files


def test_the_same_plan_has_the_same_bytes(make_shop: MakeShop) -> None:
    made = make_shop(activation__campaign=CAMPAIGN)
    plan(made, members("ann"))
    folder = made.folder / "requests" / "audience"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    plan(made, members("ann"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in (made.folder / "requests").iterdir()] == ["audience"]


# --- what must be nowhere -------------------------------------------------------------------------


def test_no_secret_and_no_address_anywhere(
    make_shop: MakeShop, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Everything that can go wrong does; then all that was kept or said is searched."""
    made = make_shop(
        activation__campaign=CAMPAIGN,
        activation__customer_profiles__puts_up_to=2,
        activation__customer_profiles__most_failed=0.1,
    )
    texts: list[str] = []
    rows = members("ann", "ben", "cat", "dan", "eve", "fay")

    def go(rows: list[dict[str, Any]], as_of: Any = MON) -> None:
        try:
            texts.extend(made.send(rows, as_of).lines())
        except (FailedError, WrongInputError) as error:
            texts.append(str(error))
            texts.append("".join(traceback.format_exception(error)))

    with caplog.at_level(logging.DEBUG):
        plan(made, rows)
        made.profiles.script("upload address", *["expired"] * 3)
        go(rows)
        made.profiles.script("upload", "500", "500", "500")
        go(rows)
        made.fakes.fail(
            "customer-profiles", "StartUploadJob", code="BadRequestException",
            message="row 1: ann@planted.example, +15550100061 is wrong",
        )  # fmt: skip
        go(rows)
        made.profiles.script("upload job", Ending("FAILED", {"reason": "INTERNAL_FAILURE"}), NEVER)
        go(rows)
        go(rows)
        for job in made.profiles.jobs.values():
            if job.progress is not None and not job.progress.ended:
                job.progress.ending = Ending("PARTIALLY_SUCCEEDED", {"failed": ["eve", "fay"]})
        go(rows)
        go(rows)
        made.profiles.rejected = {"ann"}
        go([member("ann", city="Bonn"), *rows[1:]], TUE)
        plan(made, [member("ann", city="Köln"), *rows[1:]], TUE)
        texts += made.sender.status()
    assert len(made.profiles.tokens) >= 10
    shown = capfd.readouterr()
    everything = {
        "messages": "\n".join(texts),
        "what was said": "\n".join(made.said),
        "logs": caplog.text,
        "output": shown.out + shown.err,
        "calls": "\n".join(made.called),
    }
    runs = made.settings.path(made.settings.run.directory)
    for folder in (runs, made.folder / "requests"):
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix != ".csv":
                everything[str(path.relative_to(folder))] = path.read_text(encoding="utf-8")
    assert any(name.endswith("state.json") for name in everything)
    assert "FAILED" in everything["messages"]
    phones = {str(row["phone"]) for row in rows}
    planted = {"planted.example", *phones, *made.profiles.tokens, "X-Amz-Signature"}
    for name, text in everything.items():
        for secret in planted:
            assert secret not in text, (name, secret)
    # The files that hold people hold no secret of the service's, and are the owner's alone.
    for path in [*runs.rglob("*.csv"), *made.folder.rglob("*.csv")]:
        assert path.stat().st_mode & 0o077 == 0, path
        text = path.read_text(encoding="utf-8")
        for secret in made.profiles.tokens:
            assert secret not in text, path


def test_the_policy_has_every_operation_that_is_called() -> None:
    """Read from the code: every name of an operation that a module of audiences calls."""
    found: set[str] = set()
    for module in ("campaigns", "import_jobs", "profile_domain", "sending", "forgetting"):
        text = (ROOT / "lib/engagement/audience" / f"{module}.py").read_text(encoding="utf-8")
        names = re.findall(r'"([A-Z][A-Za-z]+)"', text)
        for service in ("customer-profiles", "connectcampaignsv2"):
            known = set(service_model.model(service).operation_names)
            prefix = {"customer-profiles": "profile", "connectcampaignsv2": "connect-campaigns"}
            found |= {f"{prefix[service]}:{name}" for name in names if name in known}
    policy = json.loads((ROOT / "docs/aws/audience-additions.json").read_text(encoding="utf-8"))
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    tags = {"profile:TagResource", "connect-campaigns:TagResource"}  # to make with tags
    assert found | tags == allowed
    assert len(found) > 25
