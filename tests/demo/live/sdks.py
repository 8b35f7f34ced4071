"""RudderStack's server-side SDKs, as they come from npm and PyPI, in front of the collector."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from tests.demo.live.conftest import HERE, Demo

EVENTS = [
    {"type": "identify", "traits": {"email": "sdk@shop.example", "consent": {"email": True}}},
    {"type": "page", "name": "Server page", "properties": {"path": "/server"}},
    {"type": "track", "event": "Gift Card Bought", "properties": {"value": 12.5}},
    {"type": "group", "groupId": "acct-1", "traits": {"name": "Example Ltd"}},
    {"type": "alias", "previousId": "before-{sdk}"},
]
"""What each SDK sends; `userId` is its own."""


@dataclass(frozen=True)
class Sent:
    """What an SDK was told to send."""

    sdk: str
    user_id: str


def _send(demo: Demo, sdk: str, command: list[str]) -> Sent:
    sent = Sent(sdk, f"usr-{sdk}")
    events = json.loads(json.dumps(EVENTS).replace("{sdk}", sdk))
    asked = json.dumps({"address": demo.collector, "userId": sent.user_id, "events": events})
    done = subprocess.run(
        command, input=asked, capture_output=True, text=True, check=False, cwd=HERE, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return sent


def send_by_node(demo: Demo) -> Sent:
    return _send(demo, "node", ["node", str(HERE / "send.mjs")])


def send_by_python(demo: Demo) -> Sent:
    return _send(demo, "python", [sys.executable, str(HERE / "send.py")])
