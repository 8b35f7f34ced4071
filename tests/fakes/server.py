"""The loopback server: reads and checks requests, finds the fake, writes its answers down.

See the package for how to use it.
"""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from botocore import xform_name
from botocore.model import OperationModel

from engagement.aws import service_model
from tests.fakes import wire
from tests.fakes.service import Fake, ServiceError
from tests.fakes.wire import Answer, Request, UnreadableError

ACCESS_KEY = "fake-access-key"
REGION = "eu-central-1"

F = TypeVar("F", bound=Fake)


@dataclass(frozen=True)
class Called:
    """A call that came in: its operation, its parameters and what was answered.

    ``error`` is the code of the error, or ``""``; ``injected`` says that a test asked for it.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]
    error: str = ""
    injected: bool = False


@dataclass
class _Trouble:
    """What a test asked for: the next ``times`` calls that fit, after ``skip`` that go well."""

    service: str
    operation: str | None
    times: int
    skip: int
    do: Callable[[], ServiceError | None]
    after: bool = False
    lose: bool = False

    def fits(self, service: str, operation: str) -> bool:
        if service != self.service or self.operation not in (None, operation) or not self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


@dataclass
class Fakes:
    """Fakes that share one server; made by :func:`running`, or the fixture ``fakes``.

    Attributes
    ----------
    calls
        Every call, in the order of the answers.
    mistakes
        What fakes themselves did wrong: an answer that the model does not allow, an exception. The
        fixture lets the test fail with them.
    """

    address: str
    calls: list[Called] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    _fakes: dict[str, Fake] = field(default_factory=dict)
    _troubles: list[_Trouble] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, fake: F) -> F:
        """Add a fake; its service is now answered by it."""
        fake.url = f"{self.address}/{fake.service}"
        self._fakes[fake.service] = fake
        return fake

    def environment(self) -> dict[str, str]:
        """Variables that lead boto3, also in subprocesses, here, and away from any account."""
        addresses = {
            f"AWS_ENDPOINT_URL_{service_model.model(name).service_id.upper().replace(' ', '_')}": (
                fake.url
            )
            for name, fake in self._fakes.items()
        }
        return {
            **addresses,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": "fake-secret-key",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def operations(self, service: str) -> list[str]:
        """Operations of a service that were called and went well, in their order."""
        return [c.operation for c in self.calls if c.service == service and not c.error]

    # --- troubles on demand

    def fail(
        self,
        service: str,
        operation: str | None = None,
        *,
        code: str,
        message: str = "asked for by a test",
        times: int = 1,
        skip: int = 0,
        after: bool = False,
    ) -> None:
        """Let calls fail: the next ``times``, after ``skip`` that go well.

        ``after`` lets the call take effect before it fails, as when an answer is an error of a
        proxy. Without ``operation`` any of the service's calls is meant.
        """
        error = ServiceError(code, message)
        self._ask(service, operation, times, skip, lambda: error, after=after)

    def throttle(
        self, service: str, operation: str | None = None, *, times: int = 1, skip: int = 0
    ) -> None:
        """Let calls be refused because they come too fast, with the service's own code."""
        code = self._fakes[service].throttled
        self.fail(service, operation, code=code, message="Rate exceeded", times=times, skip=skip)

    def slow(
        self,
        service: str,
        operation: str | None = None,
        *,
        seconds: float,
        times: int = 1,
        skip: int = 0,
    ) -> None:
        """Let answers come late."""
        self._ask(service, operation, times, skip, lambda: time.sleep(seconds))

    def lose(
        self, service: str, operation: str | None = None, *, times: int = 1, skip: int = 0
    ) -> None:
        """Let calls take effect, and their answers be lost: the connection is closed."""
        self._ask(service, operation, times, skip, lambda: None, lose=True)

    def call(
        self,
        service: str,
        operation: str | None,
        do: Callable[[], None],
        *,
        times: int = 1,
        skip: int = 0,
        after: bool = False,
    ) -> None:
        """Run a function of the test's own before calls, or ``after`` they took effect."""
        self._ask(service, operation, times, skip, lambda: do(), after=after)

    def _ask(
        self,
        service: str,
        operation: str | None,
        times: int,
        skip: int,
        do: Callable[[], ServiceError | None],
        *,
        after: bool = False,
        lose: bool = False,
    ) -> None:
        name = service_model.operation(service, operation).name if operation else None
        self._troubles.append(_Trouble(service, name, times, skip, do, after=after, lose=lose))

    # --- answering

    def answer(self, request: Request) -> Answer | None:
        """The answer to a request; None where it is to be lost."""
        service, _, path = request.path.removeprefix("/").partition("/")
        fake = self._fakes.get(service)
        if fake is None:
            return Answer(404, {}, f"no fake for {service}".encode())
        inner = Request(request.method, "/" + path, request.headers, request.body)
        if (answered := self._raw(fake, inner)) is not None:
            return answered
        protocol = service_model.model(service).metadata["protocol"]
        try:
            operation, parameters = wire.read(service_model.model(service), inner)
        except UnreadableError as error:
            self.mistakes.append(f"{service}: {error}")
            return wire.error(None, protocol, "UnknownOperationException", str(error))
        troubles = [t for t in self._troubles if t.fits(service, operation.name)]
        try:
            for trouble in troubles:
                if not (trouble.after or trouble.lose):
                    self._meet(trouble)
            with self._lock:
                result = self._result(fake, operation, parameters, inner)
            for trouble in troubles:
                if trouble.after:
                    self._meet(trouble)
        except ServiceError as error:
            injected = bool(troubles)
            self.calls.append(
                Called(service, operation.name, parameters, error.code, injected=injected)
            )
            return wire.error(operation, protocol, error.code, error.message)
        self.calls.append(Called(service, operation.name, parameters))
        if any(trouble.lose for trouble in troubles):
            return None
        return wire.answer(operation, result)

    def _raw(self, fake: Fake, request: Request) -> Answer | None:
        with self._lock:
            try:
                return fake.raw(request)
            except Exception:  # noqa: BLE001 - the fake's own mistake, told to the test
                self.mistakes.append(f"{fake.service}: {traceback.format_exc()}")
                return Answer(500, {}, b"the fake made a mistake")

    def _meet(self, trouble: _Trouble) -> None:
        error = trouble.do()
        if error is not None:
            raise error

    def _result(
        self, fake: Fake, operation: OperationModel, parameters: dict[str, Any], request: Request
    ) -> dict[str, Any]:
        if ACCESS_KEY not in request.headers.get("authorization", ""):
            raise ServiceError("AccessDeniedException", "not signed with the fakes' own key")
        shape = operation.input_shape
        if shape is not None:
            found = list(service_model.shape_problems(shape, parameters, tokens_filled=False))
            if found:
                raise ServiceError(fake.bad_request, "; ".join(found))
        method = getattr(fake, xform_name(operation.name), None)
        if method is None:
            problem = f"{fake.service}: the fake has no {operation.name}"
            self.mistakes.append(problem)
            raise ServiceError("NotImplementedException", problem)
        try:
            result: dict[str, Any] = method(parameters) or {}
        except ServiceError:
            raise
        except Exception as error:
            self.mistakes.append(f"{fake.service}.{operation.name}: {traceback.format_exc()}")
            raise ServiceError("InternalServerException", "the fake made a mistake") from error
        if operation.output_shape is not None:
            found = list(service_model.shape_problems(operation.output_shape, result))
            if found:
                self.mistakes.append(f"{fake.service}.{operation.name} answers: {found}")
                raise ServiceError("InternalServerException", "the fake made a mistake")
        return result


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one packet: in two, the second waits 40 ms for the first's receipt
    disable_nagle_algorithm = True
    server: _Server

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _handle(self) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        body = self._read(headers)
        answer = self.server.fakes.answer(Request(self.command, self.path, headers, body))
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for key, value in answer.headers.items():
            self.send_header(key, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def _read(self, headers: Mapping[str, str]) -> bytes:
        if "chunked" not in headers.get("transfer-encoding", ""):
            return self.rfile.read(int(headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _handle  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing: what is asked may hold people."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fakes: Fakes

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def server_close(self) -> None:
        super().server_close()
        for connection in self._connections:  # clients keep them open
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def running() -> Iterator[Fakes]:
    """A server without fakes yet, on a port of the loopback address that is free."""
    server = _Server()
    server.fakes = Fakes(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.fakes
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
