"""How to reach the stand's own AWS services."""

from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

ENGINE_AGENT = "stand-engine"

AwsClient = Any
"""A boto3 client: its methods are made at run time."""


@dataclass(frozen=True)
class AwsAccess:
    """An address, a region and keys that mean nothing anywhere else."""

    url: str
    region: str
    access_key: str = "testing"
    secret_key: str = "testing"  # moto takes any
    _clients: dict[tuple[str, str, bool], AwsClient] = field(
        default_factory=dict, repr=False, compare=False
    )

    def client(self, service: str) -> AwsClient:
        """Return a boto3 client, as a user of the services has it; made once for each service."""
        return self._client(service, self.region, engine=False)

    def engine_client(self, service: str, region: str | None = None) -> AwsClient:
        """Return a client for the engine's own calls: marked as such, and never retried."""
        return self._client(service, region or self.region, engine=True)

    def session(self) -> boto3.session.Session:
        """Make a boto3 session with these keys."""
        return boto3.session.Session(
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
        )

    def _client(self, service: str, region: str, *, engine: bool) -> AwsClient:
        known = self._clients.get((service, region, engine))
        if known is not None:
            return known
        config = (
            Config(user_agent_extra=ENGINE_AGENT, retries={"total_max_attempts": 1})
            if engine
            else None
        )
        made = self.session().client(  # type: ignore[call-overload]
            service, region_name=region, endpoint_url=self.url, config=config
        )
        return self._clients.setdefault((service, region, engine), made)
