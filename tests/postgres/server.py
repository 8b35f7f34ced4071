"""A real PostgreSQL for the tests: Debian's, on a socket of its own, gone afterwards.

PostgreSQL refuses to run as root: started by root, it becomes the user ``postgres``, who owns the
temporary folder that everything is in.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTALL = "This needs PostgreSQL 13 or newer: apt-get install postgresql"
USER = "engagement"


class ServerError(Exception):
    """PostgreSQL is missing or does not start."""


def programs() -> Path:
    """The folder of PostgreSQL's programs: the newest that Debian has, or that of the path.

    Raises
    ------
    ServerError
        Where there is none, with what to install.
    """
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: int(path.parent.name.partition(".")[0]))
    other = shutil.which("initdb")
    if other is None:
        raise ServerError(INSTALL)
    return Path(other).resolve().parent


def _owner() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise ServerError(
            "PostgreSQL does not run as root, and there is no user 'postgres' to become: "
            "apt-get install postgresql makes one"
        ) from None


def _run(owner: pwd.struct_passwd | None, *command: str | Path, cwd: Path) -> None:
    who = {} if owner is None else {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=cwd,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
        **who,  # type: ignore[arg-type]
    )
    if done.returncode:
        raise ServerError(f"{Path(command[0]).name} failed: {done.stdout.strip()[-600:]}")


@contextmanager
def running() -> Iterator[Path]:
    """A server while the block lasts; gives the folder of its socket.

    Raises
    ------
    ServerError
        Where PostgreSQL is missing or does not start.
    """
    binaries, owner = programs(), _owner()
    folder = Path(tempfile.mkdtemp(prefix="engagement-pg-", dir="/tmp"))
    try:
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data = folder / "data"
        _run(
            owner, binaries / "initdb", "-A", "trust", "-E", "UTF8", "--locale=C", "-N",
            "-U", USER, "-D", data, cwd=folder,
        )  # fmt: skip
        options = (
            f"-k {folder} -c listen_addresses='' -c fsync=off -c synchronous_commit=off "
            "-c full_page_writes=off -c jit=off -c work_mem=32MB"
        )
        log = folder / "log"
        start = ("-w", "-t", "120", "-D", data, "-l", log, "-o", options, "start")
        try:
            _run(owner, binaries / "pg_ctl", *start, cwd=folder)
        except ServerError as error:
            said = log.read_text(errors="replace")[-600:] if log.exists() else ""
            raise ServerError(f"{error}\n{said}") from None
        try:
            yield folder
        finally:
            _run(
                owner, binaries / "pg_ctl", "-w", "-D", data, "-m", "immediate", "stop", cwd=folder
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
