"""Telling somebody that a run failed, or what it found, by a webhook or a topic of SNS.

A message has no personal data and no address of anything. That nobody could be told is noted with
the run, and never makes a run fail.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from engagement.messages import counted
from engagement.privacy import masked
from engagement.settings.notify import Notify

logger = logging.getLogger("engagement")

_LONGEST = 2000
"""Characters of a text; services cut or refuse longer ones."""

_MOST_ALERTS = 10
_HERE = ("localhost", "127.0.0.1", "::1")


class _NotToldError(Exception):
    """Why nobody was told, without the address."""


def tell(settings: Notify, project: str, record: Mapping[str, Any]) -> list[str]:
    """Tell of a run what the parameters want told; gives what went wrong with that.

    Parameters
    ----------
    record
        What ``run.json`` holds.
    """
    message = message_of(settings, project, record)
    if message is None:
        return []
    ways: list[tuple[str, str | None, Callable[[str], None]]] = [
        ("the webhook", settings.webhook_variable, lambda name: _post(name, message, settings)),
        ("SNS", settings.sns_topic, lambda topic: _publish(topic, message)),
    ]
    notes = []
    for way, where, send in ways:
        if where is None:
            continue
        try:
            send(where)
        except _NotToldError as error:
            notes.append(f"{way} was not told: {error}")
            logger.warning("%s was not told: %s", way, error)
    return notes


def message_of(settings: Notify, project: str, record: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is told of a run; ``None`` where there is nothing to tell.

    ``text`` says it all, as chat services want it; the other keys are for programs.
    """
    alerts = [masked(str(alert.get("text", ""))) for alert in record.get("alerts", ())]
    if record["status"] == "failed" and "failure" in settings.on:
        failed = [one for one in record.get("notebooks", ()) if one.get("error")]
        where = f" in {failed[0]['name']}" if failed else ""
        lines = [f"{project}: run {record['id']} failed{where}"]
        lines += [masked(str(one["error"])) for one in failed]
    elif alerts and "alert" in settings.on:
        lines = [f"{project}: run {record['id']} has {counted(len(alerts), 'alert')}"]
    else:
        return None
    lines += [f"- {text}" for text in alerts[:_MOST_ALERTS]]
    text = "\n".join(lines)
    return {
        "text": text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…",
        "project": project,
        "run": record["id"],
        "status": record["status"],
        "as_of": record.get("as_of"),
        "alerts": len(alerts),
    }


def _post(variable: str, message: Mapping[str, Any], settings: Notify) -> None:
    """Post a message as JSON; a redirect is not followed, as it could lead anywhere."""
    address = os.environ.get(variable, "")
    if not address:
        raise _NotToldError(f"the environment has no {variable} (notify.webhook_variable)")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or not (parts.scheme == "https" or (parts.scheme == "http" and host in _HERE)):
        raise _NotToldError(f"{variable} holds no https:// address")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    connection = kind(host, port, timeout=settings.seconds)
    try:
        body = json.dumps(message, ensure_ascii=False).encode()
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        # Its text may repeat the address.
        raise _NotToldError(f"it could not be reached ({type(error).__name__})") from None
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise _NotToldError(f"it answered {status}")


def _publish(topic: str, message: Mapping[str, Any]) -> None:
    # Slow to import, and few runs tell anybody.
    from engagement.aws.clients import Service, ServiceError
    from engagement.aws.service_model import RequestError

    try:
        Service("sns", topic.split(":")[3], attempts=3).call(
            "Publish",
            TopicArn=topic,
            Subject=f"{message['project']}: run {message['run']} {message['status']}"[:100],
            Message=message["text"],
        )
    except (ServiceError, RequestError) as error:
        raise _NotToldError(masked(str(error)).replace(topic, "the topic")) from None
