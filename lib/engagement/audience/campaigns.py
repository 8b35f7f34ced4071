"""Outbound campaigns of Amazon Connect to a segment: made, compared, and left unstarted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engagement.audience.import_jobs import SendError
from engagement.audience.profile_calls import TAG, Parameters, Target
from engagement.aws.clients import Service, ServiceError
from engagement.settings.activation import Campaign

SERVICE = "connectcampaignsv2"


@dataclass(frozen=True)
class CampaignState:
    """A campaign as it is after :func:`ensure_campaign`: what was done, and its state."""

    name: str
    id: str
    done: str
    state: str


def name_of(target: Target) -> str:
    """The name of the campaign to a segment."""
    return f"{target.project}-{target.segment.name}"


def instance_id(campaign: Campaign) -> str:
    """The id of a Connect instance, which its ARN ends with."""
    return campaign.instance.rpartition("/")[2]


def create_campaign(target: Target, campaign: Campaign, segment_arn: str) -> Parameters:
    """The call that makes the campaign."""
    return {
        "name": name_of(target),
        "connectInstanceId": instance_id(campaign),
        "channelSubtypeConfig": {campaign.channel: _channel(campaign)},
        "source": {"customerProfilesSegmentArn": segment_arn},
        "connectCampaignFlowArn": campaign.flow,
        "schedule": _schedule(campaign),
        "communicationTimeConfig": _hours(campaign),
        "communicationLimitsOverride": _limits(campaign),
        # Without the tag "owner" the console cannot show it.
        "tags": {TAG: target.project, "owner": campaign.instance},
    }


def parts(wanted: Parameters, batch: str) -> Parameters:
    """What tells whether a campaign has to be made or changed: its instance, and each part.

    Parameters
    ----------
    wanted
        The call that makes it.
    batch
        What its segment is of: it stands for the segment's ARN.
    """
    return {
        "instance": wanted["connectInstanceId"],
        **{part: batch if part == "source" else wanted[part] for part in UPDATES},
    }


def _channel(campaign: Campaign) -> Parameters:
    if campaign.channel == "email":
        outbound = {
            "connectSourceEmailAddress": campaign.from_address,
            "wisdomTemplateArn": campaign.template,
        }
        if campaign.from_name is not None:
            outbound["sourceEmailAddressDisplayName"] = campaign.from_name
    else:
        outbound = {
            "connectSourcePhoneNumberArn": campaign.phone_number,
            "wisdomTemplateArn": campaign.template,
        }
    return {"outboundMode": {"agentless": {}}, "defaultOutboundConfig": outbound}


def _schedule(campaign: Campaign) -> Parameters:
    schedule: Parameters = {"startTime": campaign.start, "endTime": campaign.end}
    if campaign.refresh_days is not None:
        schedule["refreshFrequency"] = f"P{campaign.refresh_days}D"
    return schedule


def _hours(campaign: Campaign) -> Parameters:
    hours = campaign.open_hours
    zone: Parameters = {"localTimeZoneDetection": ["ZIP_CODE", "AREA_CODE"]}
    if hours.timezone is not None:
        zone["defaultTimeZone"] = hours.timezone
    daily = {
        day.upper(): [{"startTime": f"T{hours.from_}", "endTime": f"T{hours.to}"}]
        for day in hours.days
    }
    return {
        "localTimeZoneConfig": zone,
        campaign.channel: {"openHours": {"dailyHours": daily}},
    }


def _limits(campaign: Campaign) -> Parameters:
    limits = [
        {"maxCountPerRecipient": limit.messages, "frequency": limit.days, "unit": "DAY"}
        for limit in campaign.limits
    ]
    return {"allChannelSubtypes": {"communicationLimitsList": limits}}


UPDATES = {
    "source": "UpdateCampaignSource",
    "schedule": "UpdateCampaignSchedule",
    "communicationTimeConfig": "UpdateCampaignCommunicationTime",
    "communicationLimitsOverride": "UpdateCampaignCommunicationLimits",
    "connectCampaignFlowArn": "UpdateCampaignFlowAssociation",
    "channelSubtypeConfig": "UpdateCampaignChannelSubtypeConfig",
}
"""The call that changes each part of a campaign."""


def ensure_campaign(
    service: Service, target: Target, campaign: Campaign, segment_arn: str
) -> CampaignState:
    """Find the campaign to the segment, or make it, and change what is different.

    A campaign is made unstarted and started only if the parameters say so. One that runs is
    changed only where its service allows that of a running one.

    Raises
    ------
    SendError
        When there is one of this name that somebody else made, or it has ended.
    ServiceError
        When the service refuses a change, with its reason.
    """
    wanted = create_campaign(target, campaign, segment_arn)
    found = _find(service, campaign, wanted["name"])
    if found is None:
        done, id_ = "created", _create(service, campaign, wanted)
    else:
        id_, done = found["id"], "unchanged"
        about = service.call("DescribeCampaign", id=id_)["campaign"]
        if about.get("tags", {}).get(TAG) != target.project:
            raise SendError(
                f"the Connect instance has a campaign {wanted['name']} that this project did not "
                "make"
            )
        for part, operation in UPDATES.items():
            if about.get(part) != wanted[part]:
                service.call(operation, id=id_, **{part: wanted[part]})
                done = "updated"
    state = _state(service, id_)
    if state in ("Stopped", "Failed", "Completed"):
        raise SendError(
            f"the campaign {wanted['name']} is {state.lower()} and sends nothing more: remove it "
            "with 'engagement audience down', and send again to make another"
        )
    if campaign.started and state == "Initialized":
        service.call("StartCampaign", id=id_)
        state = _state(service, id_)
    return CampaignState(wanted["name"], id_, done, state)


def _create(service: Service, campaign: Campaign, wanted: Parameters) -> str:
    try:
        made = service.call("CreateCampaign", **wanted)
    except ServiceError as error:  # an answer that was lost, and a second try
        there = _find(service, campaign, wanted["name"])
        if there is None:
            raise error from None
        made = there
    id_: str = made["id"]
    return id_


def _find(service: Service, campaign: Campaign, name: str) -> dict[str, Any] | None:
    """A campaign of an instance by its name."""
    filters = {"instanceIdFilter": {"value": instance_id(campaign), "operator": "Eq"}}
    for item in service.pages("ListCampaigns", "campaignSummaryList", filters=filters):
        if item["name"] == name:
            return item
    return None


def _state(service: Service, id_: str) -> str:
    state: str = service.call("GetCampaignState", id=id_)["state"]
    return state


def status(service: Service, target: Target, campaign: Campaign) -> CampaignState | None:
    """The campaign to the segment, if there is one."""
    found = _find(service, campaign, name_of(target))
    if found is None:
        return None
    return CampaignState(found["name"], found["id"], "found", _state(service, found["id"]))


def remove_campaign(service: Service, target: Target, campaign: Campaign) -> bool:
    """Remove the campaign to the segment if it was made here; gives whether one was removed."""
    found = _find(service, campaign, name_of(target))
    if found is None:
        return False
    about = service.call("DescribeCampaign", id=found["id"])["campaign"]
    if about.get("tags", {}).get(TAG) != target.project:
        return False
    service.find("DeleteCampaign", id=found["id"])
    return True
