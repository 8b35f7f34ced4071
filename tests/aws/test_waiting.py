"""Waiting: up to a deadline, with pauses that grow."""

from __future__ import annotations

import pytest

from engagement.aws import waiting
from engagement.aws.waiting import WaitedTooLongError, wait_until


class Clock:
    """A clock that only sleeping moves on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(waiting, "time", made)
    return made


def test_what_is_there_is_given_without_a_pause(clock: Clock) -> None:
    assert wait_until(lambda: "there", "it") == "there"
    assert clock.slept == []


def test_pauses_grow_to_the_longest_and_a_last_look_is_taken_at_the_deadline(clock: Clock) -> None:
    looks: list[float] = []
    said: list[float] = []
    with pytest.raises(WaitedTooLongError, match="waited 10 s for the job to end, and gave up"):
        wait_until(
            lambda: looks.append(clock.now), "the job to end",
            seconds=10, pause=1, longest=4, meanwhile=said.append,
        )  # fmt: skip
    assert clock.slept == [1, 1.5, 2.25, 3.375, 1.875]
    assert looks == [0, 1, 2.5, 4.75, 8.125, 10]
    assert said == looks[:-1]


def test_what_never_will_be_is_raised_at_once(clock: Clock) -> None:
    def look() -> None:
        raise ValueError("FAILED: no role")

    with pytest.raises(ValueError, match="no role"):
        wait_until(look, "the job to end")
    assert clock.slept == []
