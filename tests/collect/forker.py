"""Starts collectors for the tests that kill them: imports once, then forks, which takes no time.

A line ``{"plan": …, "limit": …}`` starts one, an empty line waits for its end. What is answered is
its process id, then the port it listens on; or how it ended.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

import uvicorn.protocols.http.h11_impl  # noqa: F401 (so that no fork has to import it)

from engagement.collect.server import Plan, serve


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def child(order: dict[str, object]) -> None:
    found = dict(order["plan"])  # type: ignore[call-overload]
    found["landing"], found["wal"] = Path(found["landing"]), Path(found["wal"])
    found["write_keys"] = tuple(found["write_keys"])
    if order.get("limit"):
        size = int(str(order["limit"]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    serve(Plan(**found), started=lambda address: say(address.rpartition(":")[2]))


def main() -> None:
    for line in sys.stdin:
        if line.strip():
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    child(json.loads(line))
                    code = 0
                except BaseException as error:  # noqa: BLE001 (told, and then it ends)
                    say(f"failed: {error!r}")
                finally:
                    os._exit(code)
            say(pid)
        else:
            say(os.waitstatus_to_exitcode(os.wait()[1]))


main()
