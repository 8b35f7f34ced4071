"""The process that reads the warehouse for the server: one question at a time.

It is another process so that it can be stopped: whatever an engine is doing, a question ends when
its time is over. A stopped one is started again for the next question.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import secrets
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from engagement.errors import FailedError, WrongInputError
from engagement.privacy import masked
from engagement.settings import Settings

_START_SECONDS = 60.0
"""How long the process may take to start, which counts for no question."""

_GRACE_SECONDS = 3.0
"""How long a process that is told to end may take, to stop what runs on Athena."""


class QuestionError(WrongInputError):
    """A question that was not answered: why, without personal data."""


class Worker:
    """Answers questions in a process of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key = secrets.token_hex(16)
        self._one_at_a_time = threading.Lock()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def ask(self, question: str, **parts: Any) -> dict[str, Any]:
        """Ask one of the questions of :mod:`.answers`.

        Raises
        ------
        QuestionError
            When it cannot be answered, or not in time.
        """
        with self._one_at_a_time:
            connection = self._started()
            seconds = self._settings.mcp.most_seconds
            try:
                connection.send((question, parts))
                if not connection.poll(seconds):
                    self._stop()
                    raise QuestionError(
                        f"stopped after {seconds:g} seconds (mcp.most_seconds): ask for fewer days "
                        "or rows, or for a table that is summed up already"
                    )
                text, problem = connection.recv()
            except (EOFError, OSError):
                self._stop()
                raise QuestionError(
                    "the process that reads the warehouse ended, most often because there was no "
                    "memory left: ask for less"
                ) from None
        if problem is not None:
            raise QuestionError(problem)
        found: dict[str, Any] = json.loads(text)
        return found

    def close(self) -> None:
        """End the process."""
        with self._one_at_a_time:
            self._stop()

    def _started(self) -> Connection:
        if self._connection is not None and self._process is not None and self._process.is_alive():
            return self._connection
        self._stop()
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(
            target=serve, args=(there, self._settings, self._key), daemon=True
        )
        process.start()
        there.close()
        self._process, self._connection = process, here
        if not here.poll(_START_SECONDS):
            self._stop()
            raise QuestionError("the process that reads the warehouse did not start")
        here.recv()
        return here

    def _stop(self) -> None:
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if connection is not None:
            connection.close()
        if process is None or process.pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGINT)
        process.join(_GRACE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def serve(connection: Connection, settings: Settings, key: str) -> None:
    """Answer what comes through a connection until it is closed."""
    # What the protocol is spoken through is not for this process.
    os.dup2(2, 1)
    from engagement.mcp.answers import Answers

    with suppress(EOFError, OSError, KeyboardInterrupt):
        answers = Answers(settings, key)
        connection.send("ready")
        while True:
            question, parts = connection.recv()
            connection.send(_answered(answers, question, parts, key))


def _answered(
    answers: Any, question: str, parts: dict[str, Any], key: str
) -> tuple[str | None, str | None]:
    """An answer as JSON, or the problem with the question."""
    try:
        return json.dumps(getattr(answers, question)(**parts), ensure_ascii=False), None
    except (WrongInputError, FailedError) as error:
        # An engine may repeat a part of the statement, and with it what pseudonyms are made with.
        return None, masked(str(error).replace(key, "…"))
    except Exception as error:  # noqa: BLE001 (a defect must not end the server, nor tell values)
        return None, f"this could not be answered ({type(error).__name__})"
