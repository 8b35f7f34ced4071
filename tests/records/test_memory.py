"""Memory that is used again: what is taken is one's own until it is cleared."""

from __future__ import annotations

import numpy as np
import pytest

from engagement.records import memory
from engagement.records.memory import Memory


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_BLOCK_BYTES", 1000)


def test_what_is_taken_does_not_overlap() -> None:
    held = Memory()
    taken = [held.empty(n, kind) for n, kind in ((3, np.uint8), (90, np.int64), (500, np.int32))]
    taken.append(held.zeros((4, 7), np.uint64))
    for number, array in enumerate(taken):
        array.fill(number)
    assert [set(array.ravel().tolist()) for array in taken] == [{0}, {1}, {2}, {3}]
    assert [array.shape for array in taken] == [(3,), (90,), (500,), (4, 7)]


def test_what_was_cleared_is_taken_again() -> None:
    held = Memory()
    first, second = held.empty(100, np.int64), held.empty(300, np.int64)
    second.fill(7)
    held.clear()
    assert np.shares_memory(held.empty(100, np.int64), first)
    again = held.zeros(300, np.int64)
    assert np.shares_memory(second, again)
    assert not again.any()


def test_nothing_can_be_taken() -> None:
    assert Memory().empty((0, 5), np.int64).shape == (0, 5)
