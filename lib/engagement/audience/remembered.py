"""What is known of the services from earlier sends: a plan is made from it, without any call.

Of everything that a send sees to, the state of the segment keeps what it was made of, as short
hashes by name. A plan compares them with what the parameters ask for now, as a send compares what
the services say. Whatever somebody has changed in a service since then is not known here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

DOMAIN, RECORDS, SEGMENT, CAMPAIGN = "domain", "object type", "segment", "campaign"

FOREIGN = {"foreign": "yes"}
"""What is kept of a domain that somebody else made: it is used, and never changed."""

Remembered = dict[str, dict[str, str]]
"""By kind of thing, short hashes of its parts."""


def hashes(parts: Mapping[str, Any]) -> dict[str, str]:
    """A short hash of each part."""
    return {name: _hash(part) for name, part in parts.items()}


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def different(wanted: Mapping[str, Any], kept: Mapping[str, str]) -> dict[str, Any]:
    """The parts that are not as they were made."""
    return {name: part for name, part in wanted.items() if kept.get(name) != _hash(part)}
