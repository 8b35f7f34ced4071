"""Send events by RudderStack's SDK for Python: what to send, and where, comes in as JSON."""

from __future__ import annotations

import json
import sys

import rudderstack.analytics as rudder

asked = json.load(sys.stdin)
failed: list[object] = []
rudder.write_key = "local"
rudder.dataPlaneUrl = asked["address"]
rudder.on_error = lambda error, items: failed.append(error)
user = asked["userId"]
for event in asked["events"]:
    match event["type"]:
        case "identify":
            rudder.identify(user, event["traits"])
        case "page":
            rudder.page(user, None, event["name"], event["properties"])
        case "track":
            rudder.track(user, event["event"], event["properties"])
        case "group":
            rudder.group(user, event["groupId"], event["traits"])
        case "alias":
            rudder.alias(event["previousId"], user)
rudder.flush()
rudder.shutdown()
sys.exit(1 if failed else 0)
