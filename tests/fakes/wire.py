"""Requests and answers as they are on the wire, by the shapes that botocore ships.

Three protocols: ``rest-json`` (Customer Profiles, QuickSight), ``json`` (Personalize) and ``query``
(STS, IAM). A request becomes what boto3's caller gave; an answer, given as boto3's caller will see
it, becomes JSON or XML.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape


class UnreadableError(ValueError):
    """A request that cannot be read as any operation's."""


@dataclass(frozen=True)
class Request:
    """A request as the server got it; ``path`` has its query string."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What the server sends back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# --- requests -------------------------------------------------------------------------------------


def read(model: ServiceModel, request: Request) -> tuple[OperationModel, dict[str, Any]]:
    """Which operation a request is for, and its parameters.

    Raises
    ------
    UnreadableError
        When it is none of the service's, or its body cannot be read.
    """
    match model.metadata["protocol"]:
        case "rest-json":
            return _read_rest(model, request)
        case "json":
            return _read_json(model, request)
        case "query":
            return _read_query(model, request)
    raise UnreadableError(f"the protocol {model.metadata['protocol']} is not known here")


def _read_json(model: ServiceModel, request: Request) -> tuple[OperationModel, dict[str, Any]]:
    target = request.headers.get("x-amz-target", "")
    prefix, _, name = target.rpartition(".")
    if prefix != model.metadata["targetPrefix"] or name not in model.operation_names:
        raise UnreadableError(f"the target '{target}' is none of {model.service_name}'s")
    operation = model.operation_model(name)
    return operation, _from_json(operation.input_shape, _body(request.body))


def _read_rest(model: ServiceModel, request: Request) -> tuple[OperationModel, dict[str, Any]]:
    parts = urlsplit(request.path)
    query = parse_qs(parts.query, keep_blank_values=True)
    for route in _routes(model):
        found = route.pattern.fullmatch(parts.path)
        fixed = all(query.get(key, [""])[0] == value for key, value in route.query)
        if found and fixed and route.method == request.method:
            operation = model.operation_model(route.name)
            labels = {key: unquote(value) for key, value in found.groupdict().items()}
            return operation, _rest_parameters(operation, labels, query, route, request)
    raise UnreadableError(f"{request.method} {parts.path} is no operation of {model.service_name}")


@dataclass(frozen=True)
class _Route:
    name: str
    method: str
    pattern: re.Pattern[str]
    query: tuple[tuple[str, str], ...]
    labels: int


@lru_cache(maxsize=32)
def _routes(model: ServiceModel) -> tuple[_Route, ...]:
    """Operations by method and path; those with fewer labels first, as they are more exact."""
    routes = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path, _, query = http["requestUri"].partition("?")
        pieces = re.split(r"\{(\w+\+?)\}", path)
        pattern = "".join(
            re.escape(piece)
            if place % 2 == 0
            else f"(?P<{piece.rstrip('+')}>{'.+' if piece.endswith('+') else '[^/]+'})"
            for place, piece in enumerate(pieces)
        )
        fixed = tuple(parse_qsl(query, keep_blank_values=True))
        routes.append(_Route(name, http["method"], re.compile(pattern), fixed, len(pieces) // 2))
    return tuple(sorted(routes, key=lambda r: (r.labels, -len(r.query))))


def _rest_parameters(
    operation: OperationModel,
    labels: Mapping[str, str],
    query: dict[str, list[str]],
    route: _Route,
    request: Request,
) -> dict[str, Any]:
    shape = operation.input_shape
    if shape is None:
        return {}
    found: dict[str, Any] = {}
    query = {key: values for key, values in query.items() if key not in dict(route.query)}
    in_body = {}
    for name, member in shape.members.items():
        place, key = member.serialization.get("location"), member.serialization.get("name", name)
        if place == "uri":
            found[name] = _from_text(member, labels[key])
        elif place == "querystring" and key in query:
            values = query.pop(key)
            found[name] = (
                [_from_text(member.member, value) for value in values]
                if isinstance(member, ListShape)
                else _from_text(member, values[0])
            )
        elif place == "querystring" and isinstance(member, MapShape):
            raise UnreadableError(f"{name}: maps in the query string are not known here")
        elif place == "header" and key.lower() in request.headers:
            found[name] = _from_text(member, request.headers[key.lower()])
        elif place is None:
            in_body[key] = (name, member)
    if query:
        raise UnreadableError(
            f"the query string has {', '.join(sorted(query))}, which nothing reads"
        )
    payload = shape.serialization.get("payload")
    if payload is not None:
        member = shape.members[payload]
        if member.type_name == "blob":
            return {**found, payload: request.body}
        if request.body:
            found[payload] = _from_json(member, _body(request.body))
        return found
    for key, value in _body(request.body).items():
        name, member = in_body.get(key, (key, None))
        found[name] = value if member is None else _from_json(member, value)
    return found


def _body(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        document = json.loads(body)
    except ValueError as error:
        raise UnreadableError("the body is no JSON") from error
    if not isinstance(document, dict):
        raise UnreadableError("the body is no JSON object")
    return document


def _from_json(shape: Shape | None, value: Any) -> Any:
    """A value of a body as boto3's caller gave it; what has no shape stays, to be refused."""
    if shape is None or value is None or shape.metadata.get("document"):
        return value
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        names = {m.serialization.get("name", n): n for n, m in shape.members.items()}
        return {
            names.get(key, key): _from_json(shape.members.get(names.get(key, key)), item)
            for key, item in value.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_from_json(shape.member, item) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _from_json(shape.value, item) for key, item in value.items()}
    if shape.type_name == "blob" and isinstance(value, str):
        return base64.b64decode(value)
    if shape.type_name == "timestamp" and isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    return value


def _from_text(shape: Shape, text: str) -> Any:
    """A value that was in a path, a query string, a header or a form."""
    match shape.type_name:
        case "integer" | "long":
            return int(text)
        case "float" | "double":
            return float(text)
        case "boolean":
            return text == "true"
        case "blob":
            return base64.b64decode(text)
    return text


def _read_query(model: ServiceModel, request: Request) -> tuple[OperationModel, dict[str, Any]]:
    fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    name = fields.pop("Action", "")
    fields.pop("Version", None)
    if name not in model.operation_names:
        raise UnreadableError(f"the action '{name}' is none of {model.service_name}'s")
    operation = model.operation_model(name)
    tree: dict[str, Any] = {}
    for key, value in fields.items():
        branch = tree
        *path, last = key.split(".")
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return operation, _from_tree(operation.input_shape, tree)


def _from_tree(shape: Shape | None, tree: Any) -> Any:
    if shape is None:
        return tree
    if isinstance(shape, StructureShape):
        names = {m.serialization.get("name", n): n for n, m in shape.members.items()}
        return {
            names.get(key, key): _from_tree(shape.members.get(names.get(key, key)), item)
            for key, item in tree.items()
        }
    if isinstance(shape, ListShape):
        items = tree if shape.serialization.get("flattened") else tree.get("member", {})
        return [_from_tree(shape.member, items[key]) for key in sorted(items, key=int)]
    if isinstance(shape, MapShape):
        entries = tree if shape.serialization.get("flattened") else tree.get("entry", {})
        return {e["key"]: _from_tree(shape.value, e["value"]) for e in entries.values()}
    return _from_text(shape, tree)


# --- answers --------------------------------------------------------------------------------------


def answer(operation: OperationModel, result: Mapping[str, Any]) -> Answer:
    """An answer of an operation, from what boto3's caller will see."""
    protocol, shape = operation.service_model.metadata["protocol"], operation.output_shape
    if protocol == "query":
        return _query_answer(operation, result)
    status = operation.http.get("responseCode", 200)
    headers = {"content-type": "application/json"}
    body: dict[str, Any] = {}
    content: bytes | None = None
    for name, value in result.items():
        member = shape.members[name] if shape is not None else None
        place = member.serialization.get("location") if member is not None else None
        if shape is not None and name == shape.serialization.get("payload"):
            content = value if isinstance(value, bytes) else _json(_to_json(member, value))
        elif place == "statusCode":
            status = value
        elif place == "header":
            headers[member.serialization["name"]] = (
                format_datetime(value, usegmt=True) if isinstance(value, datetime) else str(value)
            )
        else:
            key = member.serialization.get("name", name) if member is not None else name
            body[key] = _to_json(member, value)
    if protocol == "json":
        headers["content-type"] = f"application/x-amz-json-{_json_version(operation)}"
    return Answer(status, headers, _json(body) if content is None else content)


def error(operation: OperationModel | None, protocol: str, code: str, message: str) -> Answer:
    """An error as a service sends it, with the model's status, else what is usual for the code."""
    status = _status(operation, code)
    headers = {"x-amzn-errortype": code, "content-type": "application/json"}
    if protocol == "query":
        text = (
            "<ErrorResponse><Error><Type>Sender</Type>"
            f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
            "<RequestId>fake</RequestId></ErrorResponse>"
        )
        return Answer(status, {"content-type": "text/xml"}, text.encode())
    # Services write the message's key in either case; the model says which.
    key = "message"
    for shape in operation.error_shapes if operation is not None else ():
        if _code(shape) == code and "Message" in shape.members:
            key = "Message"
    return Answer(status, headers, _json({"__type": code, key: message}))


def _code(shape: Shape) -> str:
    return shape.metadata.get("error", {}).get("code") or shape.name


def _status(operation: OperationModel | None, code: str) -> int:
    for shape in operation.error_shapes if operation is not None else ():
        if _code(shape) == code:
            return shape.metadata.get("error", {}).get("httpStatusCode", 400)
    if "Throttl" in code or "TooMany" in code:
        return 429
    if "Internal" in code or "Unavailable" in code:
        return 500
    return 403 if "AccessDenied" in code else 400


def error_codes(operation: OperationModel) -> list[str]:
    """Errors that the model says an operation may answer with."""
    return [_code(shape) for shape in operation.error_shapes]


def _json_version(operation: OperationModel) -> str:
    return operation.service_model.metadata.get("jsonVersion", "1.1")


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


def _to_json(shape: Shape | None, value: Any) -> Any:
    if isinstance(value, datetime):
        iso = shape is not None and shape.serialization.get("timestampFormat") == "iso8601"
        return value.strftime("%Y-%m-%dT%H:%M:%SZ") if iso else value.timestamp()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        return {
            shape.members[key].serialization.get("name", key): _to_json(shape.members[key], item)
            for key, item in value.items()
        }
    if isinstance(shape, ListShape):
        return [_to_json(shape.member, item) for item in value]
    if isinstance(shape, MapShape):
        return {key: _to_json(shape.value, item) for key, item in value.items()}
    return value


def _query_answer(operation: OperationModel, result: Mapping[str, Any]) -> Answer:
    shape = operation.output_shape
    inner = "".join(_to_xml(shape, result)) if shape is not None else ""
    wrapper = shape.serialization.get("resultWrapper") if shape is not None else None
    if wrapper:
        inner = f"<{wrapper}>{inner}</{wrapper}>"
    name = operation.name
    text = (
        f"<{name}Response>{inner}<ResponseMetadata><RequestId>fake</RequestId>"
        f"</ResponseMetadata></{name}Response>"
    )
    return Answer(200, {"content-type": "text/xml"}, text.encode())


def _to_xml(shape: Shape, value: Any) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        for key, item in value.items():
            member = shape.members[key]
            name = member.serialization.get("name", key)
            yield f"<{name}>{''.join(_to_xml(member, item))}</{name}>"
    elif isinstance(shape, ListShape):
        for item in value:
            yield f"<member>{''.join(_to_xml(shape.member, item))}</member>"
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            inner = "".join(_to_xml(shape.value, item))
            yield f"<entry><key>{escape(key)}</key><value>{inner}</value></entry>"
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, datetime):
        yield value.strftime("%Y-%m-%dT%H:%M:%SZ")
    elif isinstance(value, bytes):
        yield base64.b64encode(value).decode()
    else:
        yield escape(str(value))
