"""The stand's AWS: moto on a free port, with what it lacks filled in.

Requests pass through `AwsApplication` on their way to moto. It asks the faults first; answers
Athena's query executions itself; and gives Glue the defaults, limits and version check of the
real one. Moto keeps its state in the process, so nothing else there may use moto meanwhile.
"""

import io
import json
import re
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from . import glue_rules, lake_formation, moto_state, s3_reads
from .access import ENGINE_AGENT
from .errors import ServiceError
from .faults import Call, Client, Failure, Faults
from .trino_host import HOST

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Operation = Callable[[Mapping[str, Any]], dict[str, Any]]

_ENGINE_AGENTS = ("aws-sdk-java", ENGINE_AGENT)
_CREDENTIAL = re.compile(r"Credential=[^/]+/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")
_S3_CODES = {
    "ThrottlingException": "SlowDown",
    "ExpiredTokenException": "ExpiredToken",
    "AccessDeniedException": "AccessDenied",
    "InternalServerException": "InternalError",
}


class AwsServer:
    """Serves the application on a free port of 127.0.0.1, from a thread."""

    def __init__(self, application: "AwsApplication") -> None:
        self._server: BaseWSGIServer = make_server(
            HOST, 0, application, threaded=True, request_handler=_RequestHandler
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="stand-aws", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the services are."""
        return f"http://{HOST}:{self._server.server_port}"

    def stop(self) -> None:
        """Take no more requests."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class AwsApplication:
    """Moto's application with the stand's additions in front of it.

    Parameters
    ----------
    faults : Faults
        Asked about every call.

    Attributes
    ----------
    moto_lock : RLock
        Held by whoever reads or changes moto's state.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._moto = DomainDispatcherApplication(create_backend_app)
        # Moto takes a millisecond to find out which of its services a request is for.
        self._services = {name: create_backend_app(name) for name in ("athena", "glue", "s3")}
        self._athena: Mapping[str, Operation] = {}
        self._stopped_queries: Collection[str] = ()
        # Moto's state is plain dictionaries: one call at a time keeps what is read whole, and
        # makes conditional writes conditional.
        self.moto_lock = threading.RLock()

    def serve_athena(
        self, operations: Mapping[str, Operation], stopped_queries: Collection[str]
    ) -> None:
        """Answer these operations of Athena, and refuse tables of stopped queries, from here on."""
        self._athena = operations
        self._stopped_queries = stopped_queries

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            request = _read(environ)
        except ClientDisconnected as error:
            raise ConnectionAbortedError("the client went away") from error
        failure = self._faults.check(request.call)
        if failure is None:
            return self._answer(request)(environ, start_response)
        if failure.lost == "request":
            return _break_connection(environ)
        if failure.lost == "answer":
            self._answer(request)
            return _break_connection(environ)
        return _failed(request.call, failure)(environ, start_response)

    def _answer(self, request: "_AwsRequest") -> Response:
        call = request.call
        try:
            if call.service == "athena" and call.operation in self._athena:
                return _json(self._athena[call.operation](call.parameters))
            if call.service == "glue" and call.operation in glue_rules.FIXED_ANSWERS:
                return _json(glue_rules.FIXED_ANSWERS[call.operation])
            with self.moto_lock:
                if call.service == "glue":
                    return self._answer_glue(request)
                return self._answer_read(request) or self._ask_moto(request)
        except ServiceError as error:
            return _failed(call, Failure(error.code, error.message, error.status))

    def _answer_glue(self, request: "_AwsRequest") -> Response:
        call = request.call
        backend = moto_state.glue(request.region)
        if call.client == "engine" and call.operation == "CreateTable":
            query_id = call.parameters["TableInput"].get("Parameters", {}).get("trino_query_id")
            if query_id in self._stopped_queries:
                raise ServiceError("InvalidInputException", f"Query {query_id} was stopped")
        parameters = glue_rules.prepare(backend, call.operation, dict(call.parameters))
        quick = glue_rules.quick_answer(
            backend, call.operation, parameters, for_engine=call.client == "engine"
        )
        if quick is not None:
            return _json(quick)
        response = self._ask_moto(request.with_body(json.dumps(parameters).encode()))
        if response.status_code != 200:
            return response
        glue_rules.finish(backend, call.operation, parameters)
        if call.operation == "CreateDatabase":
            lake_formation.open_database(request.region, parameters["DatabaseInput"]["Name"])
        return response

    def _answer_read(self, request: "_AwsRequest") -> Response | None:
        call = request.call
        if (call.service, call.client) != ("s3", "engine"):
            return None
        if call.operation not in ("GetObject", "ListObjectsV2"):
            return None
        arguments = parse_qs(request.environ.get("QUERY_STRING", ""), keep_blank_values=True)
        return s3_reads.quick_answer(
            moto_state.s3(),
            call.operation,
            call.resource,
            {name: values[-1] for name, values in arguments.items()},
            request.environ.get("HTTP_RANGE"),
        )

    def _ask_moto(self, request: "_AwsRequest") -> Response:
        application = self._services.get(request.call.service, self._moto)
        return Response.from_app(application, request.environ, buffered=True)


@dataclass(frozen=True)
class _AwsRequest:
    environ: Environ
    call: Call
    region: str

    def with_body(self, body: bytes) -> "_AwsRequest":
        return _AwsRequest(_environ_with_body(self.environ, body), self.call, self.region)


class _RequestHandler(MotoRequestHandler):
    """Answers many requests over one connection, which the handler of moto's own server does not.

    A body is read whole before the answer (see `_read`), so what follows it is the next request.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer goes out at once

    def run_wsgi(self) -> None:
        """Answer one request."""
        self.environ = environ = self.make_environ()
        if environ.get("wsgi.input_terminated"):
            self.close_connection = True  # chunks: nobody knows whether all were read
        answered: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            answered[:] = [(status, headers)]

        try:
            body = b"".join(self.server.app(environ, start_response))
        except ConnectionError:
            self.close_connection = True
            return
        [(status, headers)] = answered
        code = int(status.split()[0])
        has_body = self.command != "HEAD" and code not in (204, 304)
        self.send_response(code, status.partition(" ")[2])
        names = set()
        for name, value in headers:
            names.add(name.lower())
            self.send_header(name, value)
        if has_body and "content-length" not in names:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if has_body:
            self.wfile.write(body)
        self.wfile.flush()

    def handle_expect_100(self) -> bool:
        """Tell the client to go on, without waiting for more to be said."""
        answered = super().handle_expect_100()
        self.wfile.flush()
        return answered

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing."""


def _read(environ: Environ) -> _AwsRequest:
    """Tell which service and operation a request is for, from its headers, path and body."""
    request = Request(environ)
    agent = request.headers.get("User-Agent", "")
    client: Client = "engine" if any(name in agent for name in _ENGINE_AGENTS) else "client"
    region, service = _region_and_service(request)
    if "Transfer-Encoding" not in request.headers:
        environ = _environ_with_body(environ, request.get_data(cache=False))
    target = request.headers.get("X-Amz-Target")
    if target:
        body = environ["wsgi.input"].read()
        environ = _environ_with_body(environ, body)
        operation = target.rpartition(".")[2]
        call = Call(service, operation, client, parameters=json.loads(body or b"{}"))
    elif service == "s3":
        call = Call(service, _s3_operation(request), client, unquote(request.path).lstrip("/"))
    elif service == "sts":
        body = environ["wsgi.input"].read()
        environ = _environ_with_body(environ, body)
        call = Call(service, parse_qs(body.decode()).get("Action", [""])[0], client)
    elif service == "lakeformation":
        body = environ["wsgi.input"].read()
        environ = _environ_with_body(environ, body)
        call = Call(service, request.path.strip("/"), client, parameters=json.loads(body or b"{}"))
    else:
        call = Call(service, f"{request.method} {request.path}", client, request.path)
    return _AwsRequest(environ, replace(call, agent=agent), region)


def _region_and_service(request: Request) -> tuple[str, str]:
    signed = request.headers.get("Authorization", "")
    presigned = "Credential=" + request.args.get("X-Amz-Credential", "")
    match = _CREDENTIAL.search(signed) or _CREDENTIAL.search(presigned)
    if match:
        return match["region"], match["service"]
    return "us-east-1", "moto-api" if request.path.startswith("/moto-api/") else "s3"


def _s3_operation(request: Request) -> str:
    """Name an S3 request; only those that matter to a table's data are told apart."""
    _, _, key = request.path.lstrip("/").partition("/")
    arguments = request.args
    match request.method:
        case "PUT" if key and "uploadId" in arguments:
            return "UploadPart"
        case "PUT" if key and "x-amz-copy-source" in request.headers:
            return "CopyObject"
        case "PUT":
            return "PutObject" if key else "CreateBucket"
        case "POST" if "uploads" in arguments:
            return "CreateMultipartUpload"
        case "POST" if "uploadId" in arguments:
            return "CompleteMultipartUpload"
        case "POST" if "delete" in arguments:
            return "DeleteObjects"
        case "GET" if key:
            return "GetObject"
        case "GET" if "encryption" in arguments:
            return "GetBucketEncryption"
        case "GET" if "location" in arguments:
            return "GetBucketLocation"
        case "GET":
            return "ListObjectsV2" if "list-type" in arguments else "GetBucket"
        case "HEAD":
            return "HeadObject" if key else "HeadBucket"
        case "DELETE":
            return "DeleteObject" if key else "DeleteBucket"
        case method:
            return method


def _environ_with_body(environ: Environ, body: bytes) -> Environ:
    changed = {name: value for name, value in environ.items() if name != "werkzeug.request"}
    return {**changed, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _json(answer: Mapping[str, Any]) -> Response:
    text = json.dumps(answer, default=_seconds)
    return Response(text, content_type="application/x-amz-json-1.1")


def _seconds(time: datetime) -> float:
    return time.replace(tzinfo=time.tzinfo or UTC).timestamp()


def _failed(call: Call, failure: Failure) -> Response:
    """Write an error in the protocol of the service that was called."""
    if call.service == "sts":
        body = (
            f"<ErrorResponse><Error><Code>{failure.code}</Code>"
            f"<Message>{escape(failure.message)}</Message></Error></ErrorResponse>"
        )
        return Response(body, failure.status, content_type="text/xml")
    if call.service == "s3":
        code = _S3_CODES.get(failure.code, failure.code)
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{escape(failure.message)}</Message></Error>"
        )
        return Response(body, failure.status, content_type="application/xml")
    body = json.dumps({"__type": failure.code, "message": failure.message})
    response = Response(body, failure.status, content_type="application/x-amz-json-1.1")
    response.headers["x-amzn-ErrorType"] = failure.code
    return response


def _break_connection(environ: Environ) -> Iterable[bytes]:
    """Close the client's connection without an answer."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("broken on purpose")
