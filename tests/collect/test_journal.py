"""The write-ahead file, synchronously: what is on disk is read again, whole, whatever broke off."""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from pathlib import Path

import pytest

from engagement.collect.journal import Answer, Frame, GroupCommit, Journal, encoded, frames


def frame(number: int, size: int = 20) -> Frame:
    lines = b'{"n":%d,"p":"%b"}\n' % (number, b"x" * size)
    return Frame("2026-11-30", 1, lines)


def kept(journal: Journal) -> list[Frame]:
    return [one for segment in journal.sealed() for one in frames(segment)]


def test_what_is_appended_is_read_again_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "wal")
    expected = [frame(number) for number in range(5)]
    journal.append(expected[:2])
    journal.append(expected[2:4])
    journal.seal()
    journal.append(expected[4:])
    journal.seal()
    assert len(journal.sealed()) == 2
    assert kept(journal) == expected
    assert journal.syncs == 3


def test_files_are_private(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "wal")
    journal.append([frame(1)])
    journal.seal()
    (segment,) = journal.sealed()
    assert segment.stat().st_mode & 0o777 == 0o600
    assert segment.parent.stat().st_mode & 0o777 == 0o700


def test_an_unfinished_segment_is_taken_up_by_the_next_start(tmp_path: Path) -> None:
    Journal(tmp_path / "wal").append([frame(1)])
    assert kept(Journal(tmp_path / "wal")) == [frame(1)]


def test_a_torn_end_is_left_out_wherever_it_is_torn(tmp_path: Path) -> None:
    first, last = encoded(frame(1)), encoded(frame(2))
    segment = tmp_path / "a.sealed"
    for length in range(len(last)):
        segment.write_bytes(first + last[:length])
        assert list(frames(segment)) == [frame(1)], length
    segment.write_bytes(first + last)
    assert list(frames(segment)) == [frame(1), frame(2)]


def test_whole_frames_behind_a_damaged_one_are_kept(tmp_path: Path) -> None:
    segment = tmp_path / "a.sealed"
    chance = random.Random(7)
    whole = encoded(frame(1)), encoded(frame(2, 300)), encoded(frame(3))
    for _ in range(200):
        middle = bytearray(whole[1])
        middle[chance.randrange(len(middle))] ^= 0x20
        if chance.random() < 0.5:
            del middle[chance.randrange(len(middle)) :]
        segment.write_bytes(whole[0] + bytes(middle) + b"\n" + whole[2])
        found = list(frames(segment))
        assert found[0] == frame(1)
        assert found[-1] == frame(3)
        assert all(one in (frame(1), frame(2, 300), frame(3)) for one in found)
    segment.write_bytes(whole[0] + bytes(5_000) + b"\n" + whole[2])
    assert list(frames(segment)) == [frame(1), frame(3)]


@pytest.mark.parametrize("failing", ["write", "fdatasync"])
def test_a_write_that_fails_leaves_what_was_written_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    journal = Journal(tmp_path / "wal")
    journal.append([frame(1)])
    write = os.write

    def half(descriptor: int, data: memoryview) -> int:
        if len(data) > 30:
            return write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, half if failing == "write" else broken)
        with pytest.raises(OSError, match=r"No space|Input/output"):
            journal.append([frame(2, 500)])
    assert not journal.is_open
    journal.append([frame(3)])
    journal.seal()
    assert kept(journal) == [frame(1), frame(3)]


class Group:
    """A group commit whose answers are collected."""

    def __init__(self, journal: Journal, roll_bytes: int = 10**9, seconds: float = 600) -> None:
        self.errors: list[OSError | None] = []
        self.sizes: list[int] = []
        self.sealed = 0
        self.commit = GroupCommit(journal, self._answer, roll_bytes, seconds, self._count)

    def _answer(self, answers: list[Answer], error: OSError | None) -> None:
        self.sizes.append(len(answers))
        for answer in answers:
            answer(error)

    def _count(self) -> None:
        self.sealed += 1

    def submit(self, one: Frame) -> None:
        self.commit.submit(one, self.errors.append)


def test_requests_that_wait_together_share_a_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "wal")
    sync = os.fdatasync

    def slow(descriptor: int) -> None:
        time.sleep(0.05)
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)
    group = Group(journal)
    callers = [threading.Thread(target=group.submit, args=(frame(n),)) for n in range(100)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    group.commit.stop()
    assert group.errors == [None] * 100
    assert len(kept(journal)) == 100
    assert journal.syncs == len(group.sizes) < 20


def test_segments_are_sealed_by_size_and_by_age(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "wal")
    group = Group(journal, roll_bytes=1)
    group.submit(frame(1))
    _until(lambda: len(journal.sealed()) == 1)
    group.commit.stop()
    group = Group(journal, seconds=0.1)
    group.submit(frame(2))
    _until(lambda: len(journal.sealed()) == 2)
    assert kept(journal) == [frame(1), frame(2)]
    group.commit.stop()


def test_a_full_disk_is_told_to_all_who_wait_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    journal = Journal(tmp_path / "wal")
    group = Group(journal)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        for number in range(3):
            group.submit(frame(number))
        _until(lambda: len(group.errors) == 3)
        assert [error.errno if error else 0 for error in group.errors] == [errno.ENOSPC] * 3
        assert group.commit.failure is not None
    group.submit(frame(9))
    group.commit.stop()
    assert group.errors[3] is None
    assert group.commit.failure is None
    assert kept(journal) == [frame(9)]
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


def _until(condition: object) -> None:
    assert callable(condition)
    for _ in range(400):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about within four seconds")
