"""What is sent to Customer Profiles, call by call: the plan and the sending share it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engagement.audience import customer_profiles
from engagement.audience.customer_profiles import Column
from engagement.audience.segments import Segment
from engagement.settings import Settings
from engagement.settings.activation import CustomerProfiles

SERVICE = "customer-profiles"

ACCOUNT_KEY = "_account"
"""The service's own key of profiles by their account number, which is the person's id."""

TAG = "engagement-project"
"""The tag of everything that is made here; ``down`` removes nothing without it."""

MOST_PUTS = 10
MOST_MEMBERS = 100

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """The domain that is sent to, and the segment that is sent."""

    domain: str
    project: str
    segment: Segment
    settings: CustomerProfiles

    @classmethod
    def of(cls, settings: Settings, segment: Segment) -> Target:
        """The target that the parameters name."""
        profiles = settings.activation.customer_profiles
        return cls(profiles.domain or settings.project, settings.project, segment, profiles)

    @property
    def tags(self) -> dict[str, str]:
        """Tags of what is made."""
        return {TAG: self.project}

    def made(self, tags: Mapping[str, str] | None) -> bool:
        """Whether something with these tags was made here."""
        return (tags or {}).get(TAG) == self.project

    @property
    def object_type(self) -> str:
        """The type of single records of this segment: its mapping has the segment's columns."""
        return f"{self.project}_{self.segment.name}"

    # --- what there has to be

    def create_domain(self) -> Parameters:
        """Make the domain."""
        optional = {
            "DefaultEncryptionKey": self.settings.encryption_key,
            "DeadLetterQueueUrl": self.settings.dead_letter_queue_url,
        }
        return {
            "DomainName": self.domain,
            "DefaultExpirationDays": self.settings.domain_expiry_days,
            **{key: value for key, value in optional.items() if value is not None},
            "Tags": self.tags,
        }

    def put_object_type(self) -> Parameters:
        """Describe single records: which field goes where, and that one makes a profile."""
        return {
            "DomainName": self.domain,
            "ObjectTypeName": self.object_type,
            "Description": f"People of the segment {self.segment.name}, put one by one.",
            "ExpirationDays": self.settings.expiry_days,
            "AllowProfileCreation": True,
            "Fields": fields(customer_profiles.columns(self.segment)),
            "Keys": {
                ACCOUNT_KEY: [
                    {
                        "StandardIdentifiers": ["PROFILE", "UNIQUE"],
                        "FieldNames": [customer_profiles.UNIQUE_KEY],
                    }
                ]
            },
            "Tags": self.tags,
        }

    # --- imports

    def create_upload_job(self, name: str, columns: Sequence[Column]) -> Parameters:
        """Begin an import of one file."""
        return {
            "DomainName": self.domain,
            "DisplayName": name,
            "Fields": fields(columns),
            "UniqueKey": customer_profiles.UNIQUE_KEY,
            "DataExpiry": self.settings.expiry_days,
        }

    def job(self, job_id: str) -> Parameters:
        """Name an import."""
        return {"DomainName": self.domain, "JobId": job_id}

    def put_records(self, records: Sequence[Mapping[str, str]]) -> Parameters:
        """Put up to ten single records; what is empty is left out of each."""
        return {
            "DomainName": self.domain,
            "ObjectTypeName": self.object_type,
            "Items": [
                {"Id": f"r{number}", "Object": json.dumps(_known(record), ensure_ascii=False)}
                for number, record in enumerate(records)
            ],
        }

    # --- the segment

    def segment_name(self, batch: str) -> str:
        """The name of the definition for a batch; a definition cannot be changed later."""
        return batch

    def groups(self, batch: str) -> Parameters:
        """Who is in the segment: profiles whose attribute has the batch."""
        attribute = customer_profiles.batch_attribute(self.segment)
        dimension = {attribute: {"DimensionType": "INCLUSIVE", "Values": [batch]}}
        return {
            "Groups": [
                {"Dimensions": [{"ProfileAttributes": {"Attributes": dimension}}], "Type": "ALL"}
            ],
            "Include": "ALL",
        }

    def create_segment(self, batch: str) -> Parameters:
        """Define the segment of a batch."""
        return {
            "DomainName": self.domain,
            "SegmentDefinitionName": self.segment_name(batch),
            "DisplayName": batch,
            "Description": " ".join(self.segment.description.split()),
            "SegmentGroups": self.groups(batch),
            "Tags": self.tags,
        }

    def name_segment(self, batch: str) -> Parameters:
        """Name the definition of a batch."""
        return {
            "DomainName": self.domain,
            "SegmentDefinitionName": self.segment_name(batch),
        }

    def estimate(self, batch: str) -> Parameters:
        """Ask how many profiles are in the segment."""
        return {"DomainName": self.domain, "SegmentQuery": self.groups(batch)}

    def search(self, person_id: str) -> Parameters:
        """Find the profile of a person."""
        return {"DomainName": self.domain, "KeyName": ACCOUNT_KEY, "Values": [person_id]}


def fields(columns: Sequence[Column]) -> dict[str, dict[str, str]]:
    """Where each column of a file goes, as an import and an object type take it."""
    return {
        column.name: {
            "Source": f"_source.{column.name}",
            "Target": column.target,
            "ContentType": column.content_type,
        }
        for column in columns
    }


def _known(record: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in record.items() if value != ""}


def upload_headers(client_token: str) -> dict[str, str]:
    """Headers of the PUT that uploads a file: encrypted by S3 with the key that the service gave.

    They are as secret as the key.
    """
    key = base64.b64decode(client_token)
    return {
        "x-amz-server-side-encryption-customer-algorithm": "AES256",
        "x-amz-server-side-encryption-customer-key": client_token,
        "x-amz-server-side-encryption-customer-key-MD5": base64.b64encode(
            hashlib.md5(key, usedforsecurity=False).digest()
        ).decode(),
        "content-type": "text/csv",
    }
