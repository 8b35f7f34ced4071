"""The Java process that Trino's servers run in.

It is one for all workers of a test run, each of which has a server of its own in it. What Java has
to load and to compile for the first takes ten seconds until it answers, and makes every statement
three times as slow for another minute; the others find it done.
"""

import http.client
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .assemble import LAUNCHER_CLASS, TRINO_VERSION, Assembly
from .errors import StandError

HOST = "127.0.0.1"

_STOP_SECONDS = 10.0
_LOG_LINES = 25

_JVM_OPTIONS = (
    "-Xms4g",
    "-Xmx4g",
    "-Xmn2600m",
    # The workers keep both cores busy: what collects garbage need not be parallel.
    "-XX:+UseSerialGC",
    # Classes are many, and generated for every statement: collecting them early frees nothing.
    "-XX:MetaspaceSize=300m",
    "-XX:+ExitOnOutOfMemoryError",
    # A stand lives for minutes: the second compiler takes more than it gives.
    "-XX:TieredStopAtLevel=1",
    "-XX:ReservedCodeCacheSize=192M",
    "-XX:-UsePerfData",
    "-XX:+UnlockDiagnosticVMOptions",
    # What Trino generates for every statement is right.
    "-XX:-BytecodeVerificationRemote",
    "-Dfile.encoding=UTF-8",
    "-Duser.timezone=UTC",
    "-Djdk.attach.allowAttachSelf=true",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
)


@dataclass(frozen=True)
class TrinoHost:
    """A Java process that starts servers of Trino, for whoever knows its folder.

    Attributes
    ----------
    directory : Path
        Holds its log, the number of the process, the port on which it is asked, the folders of its
        servers and, once it has ended, its exit code.
    """

    directory: Path

    @property
    def log_path(self) -> Path:
        """What all its servers have written so far."""
        return self.directory / "server.log"

    def resident_megabytes(self) -> float:
        """Resident memory of the process, where the system tells (Linux)."""
        pid = (self.directory / "pid").read_text()
        status = Path(f"/proc/{pid}/status").read_text()
        kilobytes = next(line.split()[1] for line in status.splitlines() if "VmRSS" in line)
        return int(kilobytes) / 1024

    def make_folder(self) -> Path:
        """Make a folder for a server; it goes with the process."""
        return Path(tempfile.mkdtemp(prefix="server-", dir=self.directory))

    def start(self, server: Path, deadline: float) -> bool:
        """Start the server whose configuration lies in a folder.

        Parameters
        ----------
        server : Path
            Made by `make_folder`.
        deadline : float
            Until when it may take, as `time.monotonic` tells it.

        Returns
        -------
        bool
            False if its port is taken by another program.

        Raises
        ------
        StandError
            The process has ended, or did not answer in time.
        """
        address = self.directory / "port"
        while not address.exists():
            self.still_runs(deadline)
            time.sleep(0.1)
        left = max(0.1, deadline - time.monotonic())
        connection = http.client.HTTPConnection(HOST, int(address.read_text()), timeout=left)
        try:
            connection.request("POST", "/", str(server).encode())
            answer = connection.getresponse()
            status, text = answer.status, answer.read().decode()
        except TimeoutError as error:
            raise self.problem("it did not answer in time") from error
        except (OSError, http.client.HTTPException) as error:
            self._await_end()
            self.still_runs(deadline)
            raise self.problem(f"it does not answer: {error}") from error
        finally:
            connection.close()
        if status not in (200, 409):
            raise self.problem(f"it answered {status}: {text}")
        return status == 200

    def still_runs(self, deadline: float) -> None:
        """Raise `StandError` if the process has ended, or the deadline has passed."""
        end = self.directory / "ended"
        if end.exists():
            raise self.problem(f"it ended with exit code {end.read_text()}")
        if time.monotonic() > deadline:
            raise self.problem("it did not answer in time")

    def problem(self, what: str) -> StandError:
        """Make an error that says what is wrong, with the last lines of the log."""
        log = self.log_path.read_text(errors="replace")
        last_lines = "\n".join(log.splitlines()[-_LOG_LINES:])
        return StandError(
            f"Trino did not start: {what}. Its log, which is kept beside the assembled Trino, "
            f"ends with:\n{last_lines}"
        )

    def _await_end(self) -> None:
        """Wait a little for an exit code, which is noted when the connections are gone already."""
        for _ in range(50):
            if (self.directory / "ended").exists():
                return
            time.sleep(0.1)


@contextmanager
def trino_host(assembly: Assembly) -> Iterator[TrinoHost]:
    """Start the Java process, which goes on to start by itself, and end it with the block.

    Its log is kept beside the assembly.
    """
    host = TrinoHost(Path(tempfile.mkdtemp(prefix="stand-trino-")))
    properties = {
        "node.environment": "stand",
        "node.id": "stand",
        "node.bind-ip": HOST,
        "node.internal-address": HOST,
    }
    command: list[str | Path] = [
        assembly.java,
        *_JVM_OPTIONS,
        *(f"-D{name}={value}" for name, value in properties.items()),
        "-cp",
        assembly.class_path,
        LAUNCHER_CLASS,
        TRINO_VERSION,
        host.directory,
    ]
    # It ends when its standard input closes, so it does not outlive a killed test run.
    with host.log_path.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=host.directory,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "TZ": "UTC"},
        )
    (host.directory / "pid").write_text(str(process.pid))
    ending = threading.Thread(target=_note_end, args=(process, host.directory), daemon=True)
    ending.start()
    try:
        yield host
    finally:
        _end(process)
        ending.join()
        kept_log = assembly.directory.with_name(f"{assembly.directory.name}-last-run.log")
        kept_log.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(host.log_path, kept_log)
        shutil.rmtree(host.directory, ignore_errors=True)


def _note_end(process: "subprocess.Popen[bytes]", directory: Path) -> None:
    """Tell other processes, which cannot wait for this one's child, how it ended."""
    code = process.wait()
    partial = directory / "ended.partial"
    partial.write_text(str(code))
    partial.rename(directory / "ended")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process: first by closing its input, then with force."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
