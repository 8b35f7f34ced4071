"""How many events a second the collector takes in on one core, and whether its memory stays flat.

    python -m bench.collect                     # 100 clients, one event a request, then 20
    python -m bench.collect --seconds 60

The collector runs in a process of its own, on one core, as it comes; the clients are in this one,
each with a connection that it keeps and a request under way at any time. Events are those of
``engagement generate``, as a client sends them. Everything is synced to the disk of ``--folder``
before it is answered. At the end all events have to be in the landing, once.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from engagement.samples import Dirt, GeneratorSettings, generate

KEY = "bench"
SERVER = """
import sys
from pathlib import Path
from engagement.collect.server import Plan, serve
home = Path(sys.argv[1])
plan = Plan("127.0.0.1", 0, ("bench",), home / "landing", home / "wal", 8_000_000, 10.0)
print(serve(plan, started=lambda address: print(address, flush=True)), flush=True)
"""


@dataclass
class Load:
    """What the clients did."""

    events: int = 0
    requests: int = 0
    waits: list[float] = field(default_factory=list)
    others: int = 0


def events(folder: Path) -> list[dict[str, object]]:
    """Some thousand events as a browser sends them."""
    settings = GeneratorSettings(users=200, days=3, seed=5, dirt=Dirt.none())
    generate(settings, folder)
    found = []
    for path in sorted(folder.rglob("*.gz")):
        for line in gzip.decompress(path.read_bytes()).split(b"\n")[:-1]:
            event = orjson.loads(line)
            for name in ("receivedAt", "request_ip", "rudderId", "timestamp"):
                del event[name]
            found.append(event)
    return found


async def client(
    port: int,
    some: list[dict[str, object]],
    size: int,
    until: float,
    load: Load,
    numbers: Iterator[int],
) -> None:
    """Post batches over one connection until the time is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    authorization = base64.b64encode(f"{KEY}:".encode()).decode()
    while time.monotonic() < until:
        batch = []
        for _ in range(size):
            number = next(numbers)
            batch.append({**some[number % len(some)], "messageId": f"message-{number}"})
        body = orjson.dumps({"batch": batch, "sentAt": "2026-11-30T10:00:00.000Z"})
        head = (
            "POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Authorization: Basic {authorization}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        begun = time.monotonic()
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in answer.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
        load.waits.append(time.monotonic() - begun)
        load.requests += 1
        if answer.startswith(b"HTTP/1.1 200"):
            load.events += size
        else:
            load.others += 1
    writer.close()


async def all_clients(
    port: int,
    some: list[dict[str, object]],
    clients: int,
    size: int,
    seconds: float,
    numbers: Iterator[int],
) -> Load:
    """Let all clients post for some time."""
    load = Load()
    until = time.monotonic() + seconds
    await asyncio.gather(*(client(port, some, size, until, load, numbers) for _ in range(clients)))
    return load


def resident(pid: int) -> float:
    """Megabytes of memory that a process has in use."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_seconds(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def landed(folder: Path) -> Iterator[str]:
    """Message ids of everything that landed."""
    for path in folder.rglob("*.gz"):
        for line in gzip.decompress(path.read_bytes()).split(b"\n")[:-1]:
            yield str(orjson.loads(line)["messageId"])


def main() -> None:
    """Measure, and print a line for each size of a request."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--folder", help="Where it lands; its disk is the one that is synced.")
    chosen = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        home = Path(name)
        some = events(home / "generated")
        size = sum(len(orjson.dumps(one)) for one in some) / len(some)
        print(f"{len(some):,} different events of {size:,.0f} bytes on average")
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(home)], stdout=subprocess.PIPE, text=True
        )
        os.sched_setaffinity(server.pid, {cores[-1]})
        if len(cores) > 1:
            os.sched_setaffinity(0, set(cores[:-1]))
        assert server.stdout
        port = int(server.stdout.readline().rpartition(":")[2])
        sent, numbers = 0, itertools.count()
        for batch in (1, 20):
            before, begun = cpu_seconds(server.pid), time.monotonic()
            memory: list[float] = []
            load = Load()
            for _ in range(6):
                part = asyncio.run(
                    all_clients(port, some, chosen.clients, batch, chosen.seconds / 6, numbers)
                )
                load.events += part.events
                load.requests += part.requests
                load.others += part.others
                load.waits += part.waits
                memory.append(resident(server.pid))
            seconds = time.monotonic() - begun
            used = cpu_seconds(server.pid) - before
            waits = sorted(load.waits)
            sent += load.events
            print(
                json.dumps(
                    {
                        "events a request": batch,
                        "events a second": round(load.events / seconds),
                        "requests a second": round(load.requests / seconds),
                        "not 200": load.others,
                        "core used": round(used / seconds, 2),
                        "median wait ms": round(waits[len(waits) // 2] * 1000, 1),
                        "99 % wait ms": round(waits[len(waits) * 99 // 100] * 1000, 1),
                        "memory MB": [round(one) for one in memory],
                    }
                )
            )
        server.send_signal(signal.SIGTERM)
        print(server.stdout.read().strip())
        server.wait()
        ids = list(landed(home / "landing"))
        print(f"{sent:,} answered 200, {len(ids):,} landed, {len(set(ids)):,} different ones")


if __name__ == "__main__":
    main()
