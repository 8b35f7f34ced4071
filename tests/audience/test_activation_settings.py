"""The parameters of ``activation``: mistakes are told by key, in the project's own words."""

from __future__ import annotations

from typing import Any

import pytest

from engagement.settings import SettingsError, load_settings
from tests.audience.profiles import CAMPAIGN


def test_nothing_is_sent_unless_asked_for() -> None:
    activation = load_settings("params/local.yaml", {}).activation
    assert activation.send is False
    assert activation.exported_when == "sent"
    assert activation.campaign is None
    assert activation.customer_profiles.mode == "delta"


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ({"activation.customer_profiles.domain": "a b"},
         ("activation.customer_profiles.domain: write a name of letters, digits, '-' and '_', "
         "64 at most (given: 'a b')")),
        ({"activation.customer_profiles.expiry_days": 1099},
         "activation.customer_profiles.expiry_days: write 1098 or less (given: 1099)"),
        ({"activation.customer_profiles.part_bytes": 10**9},
         "activation.customer_profiles.part_bytes: write 999999999 or less (given: 1000000000)"),
        ({"activation.campaign": {**CAMPAIGN, "channel": "sms"}},
         "activation.campaign: phone_number is missing, and sms needs it"),
        ({"activation.campaign": {**CAMPAIGN, "end": "2026-01-01"}},
         "activation.campaign: end has to be after start"),
        ({"activation.campaign": {**CAMPAIGN, "flow": "my flow"}},
         "activation.campaign.flow: write the ARN of a resource: arn:aws:… (given: 'my flow')"),
        ({"activation.campaign": {**CAMPAIGN, "open_hours": {"from": "21:00"}}},
         "activation.campaign.open_hours: from '21:00' has to be before to '20:00'"),
        ({"activation.files.gogle_ads": True},
         ("activation.files.gogle_ads: there is no such key; did you mean "
         "'activation.files.google_ads'?")),
    ],
)  # fmt: skip
def test_mistakes(overrides: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings("params/local.yaml", overrides)
    assert caught.value.problems == [problem]


def test_moments_without_a_zone_are_utc() -> None:
    campaign = load_settings("params/local.yaml", {"activation.campaign": CAMPAIGN})
    assert campaign.activation.campaign is not None
    assert campaign.activation.campaign.start.isoformat() == "2026-02-02T08:00:00+00:00"
