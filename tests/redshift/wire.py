"""A server that speaks Redshift's wire protocol, as far as a driver notices.

It says what Redshift says when somebody connects (protocol 2, whose values are binary), and answers
each statement with what a test gave it: rows that are encoded as Redshift does, or an error.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

_EPOCH = datetime(2000, 1, 1)
_TEXTS = (25, 1043, 4000)


@dataclass(frozen=True)
class Column:
    """A column of an answer: its type by the protocol's number, with a modifier."""

    name: str
    oid: int
    modifier: int = -1


@dataclass(frozen=True)
class Answer:
    """What the server says to a statement; ``tag`` is the word for what was done."""

    columns: Sequence[Column] = ()
    rows: Sequence[Sequence[Any]] = ()
    tag: str = "SET"
    error: dict[str, str] | None = None


@dataclass
class WireServer:
    """Answers statements, and remembers them.

    Attributes
    ----------
    told
        What came with the connection: user, database and the like.
    statements
        What was asked, in order.
    """

    port: int
    answer: Callable[[str], Answer] = lambda sql: Answer()
    told: dict[str, str] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)


def encoded(oid: int, cell: Any) -> bytes | None:
    """A value as Redshift sends it in protocol 2."""
    match oid:
        case _ if cell is None:
            return None
        case 16:
            return b"\x01" if cell else b"\x00"
        case 20:
            return struct.pack("!q", cell)
        case 23:
            return struct.pack("!i", cell)
        case 701:
            return struct.pack("!d", cell)
        case 1700:
            sign, digits, exponent = Decimal(cell).as_tuple()
            del exponent
            whole = int("".join(map(str, digits))) * (-1 if sign else 1)
            return whole.to_bytes(16, "big", signed=True)
        case 1082:
            assert isinstance(cell, date)
            return struct.pack("!i", (datetime(cell.year, cell.month, cell.day) - _EPOCH).days)
        case 1114 | 1184:
            passed = cell.replace(tzinfo=None) - _EPOCH
            micros = (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
            return struct.pack("!q", micros)
        case _ if oid in _TEXTS:
            return str(cell).encode()
    raise AssertionError(oid)


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _described(columns: Sequence[Column]) -> bytes:
    """RowDescription with what protocol 1 and later add for each column."""
    body = struct.pack("!H", len(columns))
    for one in columns:
        body += (
            one.name.encode() + b"\0" + struct.pack("!ihihih", 0, 0, one.oid, -1, one.modifier, 0)
        )
        body += b"\0" * 4 + struct.pack("!H", 1)
    return _message(b"T", body)


def _row(columns: Sequence[Column], row: Sequence[Any]) -> bytes:
    body = struct.pack("!H", len(columns))
    for column, cell in zip(columns, row, strict=True):
        value = encoded(column.oid, cell)
        body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return _message(b"D", body)


@contextmanager
def serving() -> Iterator[WireServer]:
    """A server on a loopback port while the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = WireServer(listening.getsockname()[1])

        def accept() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=_serve, args=(client, server), daemon=True).start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield server
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
    accepting.join()


def _exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = source.recv(size - len(found))
        if not part:
            raise ConnectionError
        found += part
    return found


def _serve(client: socket.socket, server: WireServer) -> None:
    with client, suppress(ConnectionError):
        body = _exactly(client, struct.unpack("!I", _exactly(client, 4))[0] - 4)
        parts = body[4:].rstrip(b"\0").decode().split("\0")
        server.told = dict(zip(parts[::2], parts[1::2], strict=True))
        statuses = {
            "server_version": "8.0.2",
            "server_protocol_version": server.told.get("client_protocol_version", "0"),
            "client_encoding": "UTF8",
            "integer_datetimes": "on",
        }
        greeting = _message(b"R", struct.pack("!I", 0))
        for name, value in statuses.items():
            greeting += _message(b"S", f"{name}\0{value}\0".encode())
        client.sendall(greeting + _message(b"Z", b"I"))
        found, failed = Answer(), False
        while True:
            kind = _exactly(client, 1)
            body = _exactly(client, struct.unpack("!I", _exactly(client, 4))[0] - 4)
            match kind:
                case b"P":
                    sql = body.split(b"\0")[1].decode()
                    server.statements.append(sql)
                    found, failed = server.answer(sql), False
                    if found.error is not None:
                        fields = "".join(f"{k}{v}\0" for k, v in found.error.items())
                        client.sendall(_message(b"E", fields.encode() + b"\0"))
                        failed = True
                    else:
                        client.sendall(_message(b"1"))
                case b"D" if not failed:
                    client.sendall(_message(b"t", struct.pack("!H", 0)))
                    client.sendall(_described(found.columns) if found.columns else _message(b"n"))
                case b"B" if not failed:
                    client.sendall(_message(b"2"))
                case b"E" if not failed:
                    rows = b"".join(_row(found.columns, row) for row in found.rows)
                    tag = f"SELECT {len(found.rows)}" if found.columns else found.tag
                    client.sendall(rows + _message(b"C", f"{tag}\0".encode()))
                case b"C":
                    client.sendall(_message(b"3"))
                case b"S":
                    client.sendall(_message(b"Z", b"I"))
                case b"X":
                    server.closed.set()
                    return
