"""Segments in Customer Profiles, against fakes: what is sent, when, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engagement.audience.import_jobs import SendError
from engagement.audience.segments import AudienceError
from engagement.audience.sending import Report
from engagement.aws.clients import ServiceError
from engagement.settings import Settings
from tests.audience.profiles import CAMPAIGN, TUE, WED, Shop, member, members, shop
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


# --- the way of a send ----------------------------------------------------------------------------


def test_the_first_send_brings_everybody(make_shop: MakeShop) -> None:
    made = make_shop()
    report = made.send(members("ann", "ben", "cat"))
    assert made.fakes.operations("customer-profiles") == [
        "CreateDomain", "ListUploadJobs", "CreateUploadJob", "GetUploadJobPath", "StartUploadJob",
        "GetUploadJob", "GetUploadJob", "CreateSegmentDefinition",
        "SearchProfiles", "SearchProfiles", "SearchProfiles", "GetSegmentMembership",
        "CreateSegmentEstimate", "GetSegmentEstimate", "GetSegmentEstimate",
    ]  # fmt: skip
    assert made.inside() == ["ann", "ben", "cat"]
    ann = made.profiles.profiles["ann"]
    assert (ann["EmailAddress"], ann["PhoneNumber"], ann["FirstName"]) == (
        "ann@planted.example",
        f"+155501000{sum(map(ord, 'ann')) % 90 + 10}",
        "Ann",
    )
    assert ann["Attributes"] == {
        "segment_batch_win_back": "win_back-2026-02-02",
        "spend_total": "10.00",
    }
    assert report.lines() == [
        "Segment win_back as of 2026-02-02, domain engagement (created)",
        "As of 2026-02-02 everybody was sent (nothing was sent yet): 3 people",
        (
            "  win_back-2026-02-02-001.csv: 3 records imported: 3 created, 0 updated, 0 failed "
            "(SUCCEEDED)"
        ),
        (
            "Segment win_back-2026-02-02 in the service: 3 sent, 3 estimated; 3 of 3 people "
            "looked up are in it."
        ),
    ]
    job = next(iter(made.profiles.jobs.values()))
    assert job.request["DataExpiry"] == 30
    assert job.request["UniqueKey"] == "person_id"


def test_the_same_export_is_sent_once(make_shop: MakeShop) -> None:
    made = make_shop()
    made.send(members("ann", "ben"))
    report = made.send(members("ann", "ben"))
    assert len(made.profiles.imported) == 1
    assert report.sends == []
    assert "Nothing is different since the last send: nothing was sent." in report.lines()


def test_a_delta_brings_who_came_changed_or_left(make_shop: MakeShop) -> None:
    made = make_shop()
    made.send(members("ann", "ben", "cat"))
    made.send([member("ann"), member("ben", city="Köln"), member("dan")], TUE)
    assert made.profiles.imported[1:] == [
        job.request["DisplayName"] for job in list(made.profiles.jobs.values())[1:]
    ]
    changed, left = list(made.profiles.jobs.values())[1:]
    assert [line.split(",")[0] for line in changed.data.decode().splitlines()] == [
        "person_id", "ben", "dan",
    ]  # fmt: skip
    assert left.data.decode().splitlines() == ["person_id,segment_batch", "cat,left-2026-02-03"]
    assert set(left.request["Fields"]) == {"person_id", "segment_batch"}
    # The definition is that of the first day, as the batch is.
    assert list(made.profiles.segments) == ["win_back-2026-02-02"]
    assert made.inside() == ["ann", "ben", "dan"]
    assert made.profiles.profiles["ben"]["Address"] == {"City": "Köln"}
    made.send([member("ann"), member("ben", city="Köln"), member("dan")], WED)
    assert len(made.profiles.imported) == 3


def test_somebody_who_came_back_is_sent_again(make_shop: MakeShop) -> None:
    made = make_shop()
    made.send(members("ann", "ben"))
    made.send(members("ann"), TUE)
    assert made.inside() == ["ann"]
    made.send(members("ann", "ben"), WED)
    assert made.inside() == ["ann", "ben"]


def test_the_same_change_twice_on_one_day_is_sent_twice(make_shop: MakeShop) -> None:
    """The second file has the content, and so the name, of the first: its job is another one."""
    made = make_shop()
    made.send(members("ann"))
    for rows in (members("ann", "ben"), members("ann"), members("ann", "ben")):
        made.send(rows, TUE)
        assert made.inside() == [row["person_id"] for row in rows]
    first, _, second = list(made.profiles.jobs.values())[1:]
    assert first.request["DisplayName"] == second.request["DisplayName"]


def test_afresh_sends_everybody_again(make_shop: MakeShop) -> None:
    made = make_shop()
    made.send(members("ann", "ben"))
    made.profiles.profiles.clear()
    made.send(members("ann", "ben"), afresh=True)
    assert made.inside() == ["ann", "ben"]


@pytest.mark.parametrize("how", [{"afresh": True}, {}])
def test_who_left_since_a_full_send_of_the_same_day_is_out(
    make_shop: MakeShop, how: dict[str, bool]
) -> None:
    """The batch is the same, so those who left have it until they are told."""
    made = make_shop(activation__customer_profiles__mode="full")
    made.send(members("ann", "ben"))
    made.send(members("ann", "cat"), **how)
    assert made.inside() == ["ann", "cat"]


def test_small_changes_are_put_one_by_one_ten_in_a_call(make_shop: MakeShop) -> None:
    made = make_shop(activation__customer_profiles__puts_up_to=30)
    ids = [f"p{n:02d}" for n in range(30)]
    made.send(members(*ids))
    changed = [member(i, city="Bonn") if i < "p12" else member(i) for i in ids[:-1]]
    report = made.send(changed, TUE)
    assert len(made.profiles.imported) == 1
    assert made.fakes.operations("customer-profiles").count("BatchPutProfileObject") == 3
    assert made.profiles.put == [*ids[:12], "p29"]
    assert made.inside() == ids[:-1]
    (kind,) = made.profiles.object_types.values()
    assert kind["AllowProfileCreation"] is True
    assert kind["Keys"] == {
        "_account": [{"StandardIdentifiers": ["PROFILE", "UNIQUE"], "FieldNames": ["person_id"]}]
    }
    assert "win_back-2026-02-03-left-001.csv: 1 record put one by one" in "\n".join(report.lines())
    made.send([member(i) for i in ids[:-1]], WED)
    assert made.fakes.operations("customer-profiles").count("PutProfileObjectType") == 1


def test_everybody_is_sent_again_before_it_expires(make_shop: MakeShop) -> None:
    """Imports are kept for 30 days: after 15 an unchanged member is sent again, too."""
    made = make_shop()
    rows = members("ann", "ben")
    made.send(rows)
    made.send(rows, date(2026, 2, 16))
    assert len(made.profiles.imported) == 1
    report = made.send(rows, date(2026, 2, 17))
    assert len(made.profiles.imported) == 2
    assert "what was sent 15 days ago expires soon" in report.lines()[1]
    # The new batch has a definition of its own; the one before it is removed afterwards.
    assert list(made.profiles.segments) == ["win_back-2026-02-17"]
    assert made.inside() == ["ann", "ben"]


def test_files_are_split_below_the_limit(make_shop: MakeShop) -> None:
    made = make_shop(activation__customer_profiles__part_bytes=1_000)
    ids = [f"p{n:02d}" for n in range(30)]
    made.send(members(*ids))
    jobs = list(made.profiles.jobs.values())
    assert len(jobs) == 3
    assert all(len(job.data) <= 1_000 for job in jobs)
    assert made.inside() == ids


def test_what_a_spreadsheet_would_run_is_sent_as_it_is(make_shop: MakeShop) -> None:
    made = make_shop()
    made.send([member("ann", first_name="=1+1"), member("ben", first_name="'=1+1")])
    assert [p["FirstName"] for p in made.profiles.profiles.values()] == ["=1+1", "'=1+1"]
    (path,) = made.folder.rglob("win_back-001.csv")
    assert "'=1+1" in path.read_text(encoding="utf-8")


def test_a_domain_is_updated_if_ours_and_left_alone_if_not(make_shop: MakeShop) -> None:
    made = make_shop()
    made.send(members("ann"))
    made.change(activation__customer_profiles__domain_expiry_days=30)
    other = made.profiles.domains["engagement"]
    assert made.send(members("ann")).domain_done == "updated"
    assert other["DefaultExpirationDays"] == 30
    other["Tags"] = {"by": "somebody else"}
    other["DefaultExpirationDays"] = 99
    report = made.send(members("ann"))
    assert report.domain_done == "used; it is not this project's and stays as it is"
    assert other["DefaultExpirationDays"] == 99


def test_nothing_is_sent_unless_the_parameters_say_so(make_shop: MakeShop) -> None:
    made = make_shop(activation__send=False)
    for go in (lambda: made.send(members("ann")), lambda: made.sender.down(domain=True)):
        with pytest.raises(AudienceError, match=r"activation\.send is not true"):
            go()
    assert made.fakes.calls == []


def test_what_the_service_has_is_compared(make_shop: MakeShop) -> None:
    made = make_shop()
    made.profiles.off_by = -1
    made.profiles.script("estimate", Ending("SUCCEEDED"))
    report = made.send(members("ann", "ben"))
    assert report.read_back is not None
    assert not report.read_back.agrees
    assert report.lines()[-1] == (
        "Segment win_back-2026-02-02 in the service: 2 sent, 1 estimated; 2 of 2 people looked up "
        "are in it: this does not agree; it may take the service a while."
    )


def test_an_empty_segment_sends_no_file(make_shop: MakeShop) -> None:
    made = make_shop()
    report = made.send([])
    assert made.profiles.imported == []
    assert report.lines()[1] == (
        "As of 2026-02-02 everybody was sent (nothing was sent yet): 0 people"
    )
    assert made.inside() == []
    made.send(members("ann"), TUE)
    assert made.inside() == ["ann"]


# --- faults ---------------------------------------------------------------------------------------


def test_throttling_is_waited_out(make_shop: MakeShop) -> None:
    made = make_shop()
    for operation in ("CreateUploadJob", "GetUploadJobPath", "StartUploadJob", "GetUploadJob",
                      "CreateSegmentDefinition", "SearchProfiles"):  # fmt: skip
        made.fakes.throttle("customer-profiles", operation, times=3)
    made.send(members("ann", "ben"))
    assert made.inside() == ["ann", "ben"]
    assert len(made.profiles.imported) == 1


def test_throttling_that_does_not_end_is_one_message_and_is_gone_on_from(
    make_shop: MakeShop,
) -> None:
    made = make_shop()
    made.fakes.throttle("customer-profiles", "StartUploadJob", times=8)
    with pytest.raises(ServiceError) as caught:
        made.send(members("ann"))
    assert str(caught.value) == (
        "customer-profiles.StartUploadJob: ThrottlingException: Rate exceeded"
    )
    report = made.send(members("ann"))
    assert report.resumed
    assert made.fakes.operations("customer-profiles").count("CreateUploadJob") == 1
    assert made.inside() == ["ann"]


def test_an_address_that_expires_is_replaced(make_shop: MakeShop) -> None:
    made = make_shop()
    made.profiles.script("upload address", "expired", "expired")
    made.send(members("ann"))
    assert made.fakes.operations("customer-profiles").count("GetUploadJobPath") == 3
    assert "the upload address of win_back-2026-02-02-001.csv expired: asking for another" in (
        made.said
    )
    assert made.inside() == ["ann"]


def test_addresses_that_always_expire_are_one_clear_message(make_shop: MakeShop) -> None:
    made = make_shop()
    made.profiles.script("upload address", *["expired"] * 3)
    with pytest.raises(
        Exception,
        match=r"^win_back-2026-02-02-001\.csv was not uploaded: it was refused: 403 AccessDenied$",
    ):
        made.send(members("ann"))
    made.send(members("ann"))
    assert made.inside() == ["ann"]


def test_an_upload_that_the_store_cannot_take_is_tried_again(make_shop: MakeShop) -> None:
    made = make_shop()
    made.profiles.script("upload", "500", "503")
    made.send(members("ann"))
    assert made.inside() == ["ann"]
    assert made.fakes.operations("customer-profiles").count("GetUploadJobPath") == 1


def test_records_that_failed_are_listed_and_sent_again(make_shop: MakeShop) -> None:
    made = make_shop()
    made.profiles.script("upload job", Ending("PARTIALLY_SUCCEEDED", {"failed": ["ben", "dan"]}))
    report = made.send(members("ann", "ben", "cat", "dan"))
    assert made.inside() == ["ann", "cat"]
    assert report.failed == 2
    assert Path(report.failed_file).read_text(encoding="utf-8").splitlines() == [
        "person_id,channel,what,reason",
        "ben,,record,the service did not take the record",
        "dan,,record,the service did not take the record",
    ]
    assert any(
        line.startswith("2 records failed and will be sent again") for line in report.lines()
    )
    assert report.read_back is not None
    assert report.read_back.agrees
    # The same day again: only those that failed. With one of them gone meanwhile: only the other.
    made.send(members("ann", "ben", "cat"))
    assert [line.split(",")[0] for line in _last(made).splitlines()[1:]] == ["ben"]
    assert made.inside() == ["ann", "ben", "cat"]


def _last(made: Shop) -> str:
    return list(made.profiles.jobs.values())[-1].data.decode()


def test_a_change_that_failed_is_sent_again_and_so_is_a_leaver(make_shop: MakeShop) -> None:
    made = make_shop(activation__customer_profiles__most_failed=1)
    made.send(members("ann", "ben", "cat"))
    failed = Ending("PARTIALLY_SUCCEEDED", {"failed": ["ben", "cat"]})
    made.profiles.script("upload job", failed, failed)
    # Ben changed and Cat left, in a file each; Ann and Dan changed, too, and did not fail.
    changed = [
        member("ann", spend_total="12.00"),
        member("ben", city="Bonn"),
        member("dan", city="Bonn"),
    ]
    report = made.send(changed, TUE)
    assert made.inside() == ["ann", "ben", "cat", "dan"]
    assert _listed(report) == ["ben", "cat"]
    report = made.send(changed, WED)
    # They alone, and not everybody because somebody is not known.
    assert [(one.mode, one.changed, one.left) for one in report.sends] == [("delta", 1, 1)]
    assert made.inside() == ["ann", "ben", "dan"]
    assert made.profiles.profiles["ben"]["Address"] == {"City": "Bonn"}


@pytest.mark.parametrize(
    ("key", "kept", "listed"),
    [
        # The service writes a number in its own way: that is the same number.
        ("spend_total", "12", ["ben"]),
        # It writes a text in its own way: then more profiles differ than failed, and who of them
        # did cannot be told.
        ("city", "BONN", []),
    ],
)
def test_what_the_service_writes_its_own_way_is_not_taken_for_a_failure(
    make_shop: MakeShop, key: str, kept: str, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_shop(activation__customer_profiles__most_failed=1)
    made.send(members("ann", "ben", "cat"))
    store = made.profiles._store

    def in_its_own_way(account: str, row: dict[str, str], fields: Any) -> None:
        store(account, {**row, key: kept}, fields)

    monkeypatch.setattr(made.profiles, "_store", in_its_own_way)
    made.profiles.script("upload job", Ending("PARTIALLY_SUCCEEDED", {"failed": ["ben"]}))
    value = {"spend_total": "12.00", "city": "Bonn"}[key]
    changed = [member(one, **{key: value}) for one in ("ann", "ben", "cat")]
    report = made.send(changed, TUE)
    assert report.failed == 1
    assert _listed(report) == listed
    assert made.sender.box.state.again is (not listed)


def _listed(report: Report) -> list[str]:
    """Who is on the list of those that failed."""
    lines = Path(report.failed_file).read_text(encoding="utf-8").splitlines()
    return [line.split(",")[0] for line in lines[1:]]


def test_single_records_that_failed_are_sent_again(make_shop: MakeShop) -> None:
    made = make_shop(activation__customer_profiles__puts_up_to=10)
    made.send(members("ann"))
    made.profiles.rejected = {"ben"}
    report = made.send(members("ann", "ben", "cat"), TUE)
    assert (report.failed, made.inside()) == (1, ["ann", "cat"])
    made.profiles.rejected = set()
    made.send(members("ann", "ben", "cat"), TUE)
    assert made.inside() == ["ann", "ben", "cat"]
    assert made.profiles.put == ["cat", "ben"]


def test_a_type_of_records_that_somebody_else_made_stays_as_it_is(make_shop: MakeShop) -> None:
    made = make_shop(activation__customer_profiles__puts_up_to=10)
    made.send(members("ann"))
    own = made.sender.target.put_object_type()
    theirs = {**own, "Description": "Theirs.", "Tags": {"team": "crm"}}
    made.profiles.object_types["engagement_win_back"] = theirs
    with pytest.raises(SendError, match="a type of records engagement_win_back that this project"):
        made.send(members("ann", "ben"), TUE)
    assert made.profiles.object_types["engagement_win_back"] == theirs
    assert made.inside() == ["ann"]


def test_failures_that_cannot_be_told_let_everybody_be_sent_again(make_shop: MakeShop) -> None:
    made = make_shop(activation__customer_profiles__look_for_failed=2)
    made.profiles.script("upload job", Ending("PARTIALLY_SUCCEEDED", {"failed": ["dan"]}))
    made.send(members("ann", "ben", "cat", "dan"))
    report = made.send(members("ann", "ben", "cat", "dan"), TUE)
    assert "not all records that failed last time are known" in report.lines()[1]
    assert made.inside() == ["ann", "ben", "cat", "dan"]


def test_too_many_failures_leave_the_campaign_as_it_was(make_shop: MakeShop) -> None:
    made = make_shop(activation__customer_profiles__most_failed=0.25, activation__campaign=CAMPAIGN)
    made.profiles.script("upload job", Ending("PARTIALLY_SUCCEEDED", {"failed": ["ann", "ben"]}))
    with pytest.raises(SendError, match=r"2 of 4 records of .* failed, more than .* \(25%\)"):
        made.send(members("ann", "ben", "cat", "dan"))
    assert made.campaigns.campaigns == {}
    made.send(members("ann", "ben", "cat", "dan"))
    assert made.inside() == ["ann", "ben", "cat", "dan"]
    assert len(made.campaigns.campaigns) == 1


def test_a_job_that_fails_is_one_clear_message_and_another_job_next_time(
    make_shop: MakeShop,
) -> None:
    made = make_shop()
    made.profiles.script("upload job", Ending("FAILED", {"reason": "VALIDATION_FAILURE"}))
    with pytest.raises(SendError) as caught:
        made.send(members("ann", "ben"))
    assert str(caught.value) == (
        "the import of win_back-2026-02-02-001.csv ended as FAILED: the service found the file or "
        "its mapping invalid. Nothing of the file counts as sent; send again to import it with a "
        "new job"
    )
    report = made.send(members("ann", "ben"))
    assert "2 records imported, attempt 2:" in report.lines()[3]
    first, second = (job.request["DisplayName"] for job in made.profiles.jobs.values())
    assert second == f"{first}~2"
    assert made.inside() == ["ann", "ben"]


def test_a_job_that_never_ends_is_waited_for_again_and_not_started_twice(
    make_shop: MakeShop,
) -> None:
    made = make_shop()
    made.profiles.script("upload job", NEVER)
    with pytest.raises(SendError) as caught:
        made.send(members("ann", "ben"))
    assert "did not end within 0.01 minutes" in str(caught.value)
    assert "nothing is imported twice" in str(caught.value)
    with pytest.raises(SendError):
        made.send(members("ann", "ben"))
    (job,) = made.profiles.jobs.values()
    assert job.progress is not None
    job.progress.ending = Ending("SUCCEEDED")
    # Meanwhile somebody came: first the send that was interrupted, then what is different since.
    report = made.send(members("ann", "ben", "cat"), TUE)
    assert report.resumed
    assert [send.as_of for send in report.sends] == ["2026-02-02", "2026-02-03"]
    assert len(made.profiles.imported) == 2
    assert made.inside() == ["ann", "ben", "cat"]


def test_a_job_that_somebody_stopped_is_replaced(make_shop: MakeShop) -> None:
    made = make_shop()
    made.profiles.script("upload job", "STOPPED")
    with pytest.raises(SendError, match="ended as STOPPED"):
        made.send(members("ann"))
    made.send(members("ann"))
    assert made.inside() == ["ann"]


@pytest.mark.parametrize(
    "operation",
    ["CreateDomain", "CreateUploadJob", "StartUploadJob", "CreateSegmentDefinition",
     "GetUploadJobPath", "CreateSegmentEstimate"],
)  # fmt: skip
def test_an_answer_that_is_lost_changes_nothing(make_shop: MakeShop, operation: str) -> None:
    """botocore tries again: the call may take effect twice."""
    made = make_shop()
    made.fakes.lose("customer-profiles", operation)
    report = made.send(members("ann", "ben"))
    assert len(made.profiles.imported) == 1
    assert made.inside() == ["ann", "ben"]
    assert report.read_back is not None
    assert report.read_back.agrees


def test_a_file_of_the_send_under_way_that_is_gone_is_one_clear_message(
    make_shop: MakeShop,
) -> None:
    made = make_shop()
    made.fakes.fail("customer-profiles", "CreateUploadJob", code="AccessDeniedException")
    with pytest.raises(ServiceError, match="AccessDeniedException"):
        made.send(members("ann"))
    box = made.sender.box
    assert box.state.sending is not None
    box.file(box.state.sending.parts[0]).write_text("person_id\n")
    with pytest.raises(SendError, match=r"is gone or was changed.*--afresh"):
        made.send(members("ann"))
    made.send(members("ann"), afresh=True)
    assert made.inside() == ["ann"]


def test_two_at_once_are_refused(make_shop: MakeShop) -> None:
    made = make_shop()
    with (
        made.sender.box.held(),
        pytest.raises(Exception, match="win_back is being sent by another process"),
    ):
        made.send(members("ann"))


# --- campaigns ------------------------------------------------------------------------------------


def test_a_campaign_is_made_unstarted_and_started_only_if_told(make_shop: MakeShop) -> None:
    made = make_shop(activation__campaign=CAMPAIGN)
    report = made.send(members("ann"))
    assert report.lines()[-1] == "Campaign engagement-win_back: created, state Initialized"
    (campaign,) = made.campaigns.campaigns.values()
    assert campaign["connectInstanceId"] == "0a1b"
    assert campaign["source"] == {
        "customerProfilesSegmentArn": "arn:aws:profile:eu-central-1:111122223333:domains/"
        "engagement/segments/win_back-2026-02-02"
    }
    assert campaign["communicationLimitsOverride"] == {
        "allChannelSubtypes": {
            "communicationLimitsList": [{"maxCountPerRecipient": 2, "frequency": 7, "unit": "DAY"}]
        }
    }
    daily = campaign["communicationTimeConfig"]["email"]["openHours"]["dailyHours"]
    assert "SUNDAY" not in daily
    assert daily["MONDAY"] == [{"startTime": "T09:00", "endTime": "T20:00"}]
    assert campaign["schedule"]["refreshFrequency"] == "P1D"
    assert campaign["tags"] == {"engagement-project": "engagement", "owner": CAMPAIGN["instance"]}
    made.send(members("ann"))
    assert "StartCampaign" not in made.fakes.operations("connectcampaignsv2")
    made.change(activation__campaign={**CAMPAIGN, "started": True})
    assert made.send(members("ann")).lines()[-1].endswith("state Running")
    made.send(members("ann"))
    assert made.fakes.operations("connectcampaignsv2").count("StartCampaign") == 1


def test_a_campaign_that_differs_is_updated_part_by_part(make_shop: MakeShop) -> None:
    made = make_shop(activation__campaign=CAMPAIGN)
    made.send(members("ann"))
    other = {**CAMPAIGN, "open_hours": {"from": "10:00"}, "end": "2026-04-01"}
    made.change(activation__campaign=other)
    report = made.send(members("ann"))
    assert report.campaign is not None
    assert report.campaign.done == "updated"
    updates = [o for o in made.fakes.operations("connectcampaignsv2") if o.startswith("Update")]
    assert sorted(updates) == ["UpdateCampaignCommunicationTime", "UpdateCampaignSchedule"]


def test_a_new_batch_moves_the_campaign_to_its_segment(make_shop: MakeShop) -> None:
    made = make_shop(activation__campaign=CAMPAIGN, activation__customer_profiles__mode="full")
    made.send(members("ann"))
    made.send(members("ann", "ben"), TUE)
    (campaign,) = made.campaigns.campaigns.values()
    assert campaign["source"]["customerProfilesSegmentArn"].endswith("/win_back-2026-02-03")
    assert list(made.profiles.segments) == ["win_back-2026-02-03"]


def test_what_others_made_is_not_touched(make_shop: MakeShop) -> None:
    made = make_shop(activation__campaign=CAMPAIGN)
    made.send(members("ann"))
    (campaign,) = made.campaigns.campaigns.values()
    campaign["tags"] = {}
    with pytest.raises(SendError, match="a campaign engagement-win_back that this project did not"):
        made.send(members("ann"))
    made.profiles.domains["engagement"]["Tags"] = {"by": "somebody else"}
    assert made.sender.down(domain=True) == ["segment win_back-2026-02-02"]
    assert list(made.profiles.domains) == ["engagement"]
    assert len(made.campaigns.campaigns) == 1


def test_down_removes_exactly_what_was_made(make_shop: MakeShop) -> None:
    made = make_shop(activation__campaign=CAMPAIGN, activation__customer_profiles__puts_up_to=5)
    made.send(members("ann"))
    made.send(members("ann", "ben"), TUE)
    assert made.sender.status() == [
        "win_back: sent as of 2026-02-03 to engagement, segment win_back-2026-02-02",
        "domain engagement: 2 profiles",
        "segment win_back-2026-02-02: defined",
        "campaign engagement-win_back: Initialized",
    ]
    assert made.sender.down(domain=True) == [
        "campaign engagement-win_back",
        "segment win_back-2026-02-02",
        "object type engagement_win_back",
        "domain engagement, with every profile in it",
    ]
    assert made.sender.down(domain=True) == []
    assert made.sender.status() == ["win_back: nothing was sent to engagement yet"]
    assert (made.profiles.domains, made.profiles.segments) == ({}, {})
    assert made.campaigns.campaigns == {}
    made.send(members("ann"), WED)
    assert made.inside() == ["ann"]
