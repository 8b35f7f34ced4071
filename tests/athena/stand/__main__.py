"""Starts the stand for a person: prints the variables to export, and waits for Ctrl-C."""

import shlex
import signal
import sys
import threading

from .errors import StandError
from .stand import running


def main() -> int:
    """Run the stand until it is interrupted."""
    over = threading.Event()
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: over.set())
    _tell("Starting (the first time, this assembles Trino) ...")
    try:
        with running() as stand:
            for name, value in stand.environment().items():
                sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
            sys.stdout.write(f"# bucket: s3://{stand.bucket}/\n")
            sys.stdout.write(f"# Trino:  http://{stand.trino_host}:{stand.trino_port}\n")
            sys.stdout.flush()
            _tell("Ready; Ctrl-C stops it, and everything in it is gone.")
            over.wait()
    except StandError as error:
        _tell(str(error))
        return 1
    return 0


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
