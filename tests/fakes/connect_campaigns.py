"""Amazon Connect's outbound campaigns (v2) with a memory.

What it does not show: whether flow, template, number and instance exist, that a campaign sends, and
which changes the service allows of one that runs.
"""

from __future__ import annotations

from tests.fakes.service import Fake, Parameters, ServiceError


class ConnectCampaignsFake(Fake):
    """Campaigns by id, each with its state."""

    service = "connectcampaignsv2"

    def __init__(self) -> None:
        super().__init__()
        self.campaigns: dict[str, Parameters] = {}
        self.states: dict[str, str] = {}

    def create_campaign(self, request: Parameters) -> Parameters:
        if any(
            c["name"] == request["name"] and c["connectInstanceId"] == request["connectInstanceId"]
            for c in self.campaigns.values()
        ):
            raise ServiceError("ConflictException", "there is a campaign of this name")
        id_ = f"campaign-{self.number('campaign')}"
        arn = f"arn:aws:connect-campaigns:eu-central-1:111122223333:campaign/{id_}"
        self.campaigns[id_] = {**request, "id": id_, "arn": arn}
        self.states[id_] = "Initialized"
        return {"id": id_, "arn": arn, "tags": request.get("tags", {})}

    def _campaign(self, request: Parameters) -> Parameters:
        if request["id"] not in self.campaigns:
            raise ServiceError("ResourceNotFoundException", "no such campaign")
        return self.campaigns[request["id"]]

    def describe_campaign(self, request: Parameters) -> Parameters:
        return {"campaign": self._campaign(request)}

    def list_campaigns(self, request: Parameters) -> Parameters:
        wanted = request["filters"]["instanceIdFilter"]["value"]
        found = [c for c in self.campaigns.values() if c["connectInstanceId"] == wanted]
        start = int(request.get("nextToken") or 0)
        answer: Parameters = {
            "campaignSummaryList": [
                {
                    **{key: c[key] for key in ("id", "arn", "name", "connectInstanceId")},
                    "channelSubtypes": [name.upper() for name in c["channelSubtypeConfig"]],
                }
                for c in found[start : start + 1]
            ]
        }
        if start + 1 < len(found):
            answer["nextToken"] = str(start + 1)
        return answer

    def get_campaign_state(self, request: Parameters) -> Parameters:
        self._campaign(request)
        return {"state": self.states[request["id"]]}

    def start_campaign(self, request: Parameters) -> Parameters:
        self._campaign(request)
        if self.states[request["id"]] != "Initialized":
            raise ServiceError("InvalidCampaignStateException", "it was started already")
        self.states[request["id"]] = "Running"
        return {}

    def _update(self, request: Parameters) -> Parameters:
        campaign = self._campaign(request)
        source = request.get("source")
        if source is not None and list(source) != list(campaign["source"]):
            raise ServiceError("ValidationException", "the kind of source cannot change")
        campaign.update(request)
        return {}

    update_campaign_source = update_campaign_schedule = _update
    update_campaign_communication_time = update_campaign_communication_limits = _update
    update_campaign_flow_association = update_campaign_channel_subtype_config = _update

    def delete_campaign(self, request: Parameters) -> Parameters:
        self._campaign(request)
        del self.campaigns[request["id"]]
        return {}
