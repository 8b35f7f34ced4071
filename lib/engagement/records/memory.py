"""Memory that one group of dates uses after the other.

A group's text and where its values stand take hundreds of megabytes. Memory that is new costs a
page fault for every 4 kB when it is touched for the first time: a tenth of what reading takes.
"""

from __future__ import annotations

import math
import mmap
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_BLOCK_BYTES = 1 << 26
_ALIGNED = 64


class Memory:
    """Arrays out of blocks that are kept.

    After :meth:`clear` everything that was taken before may be overwritten.
    """

    def __init__(self) -> None:
        self._blocks: list[NDArray[np.uint8]] = []
        self._block = 0
        self._at = 0

    def empty(self, shape: int | tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
        """Take an array, whatever stands in it."""
        dtype = np.dtype(kind)
        size = dtype.itemsize * (math.prod(shape) if isinstance(shape, tuple) else shape)
        while self._block < len(self._blocks):
            block = self._blocks[self._block]
            if self._at + size <= len(block):
                break
            self._block, self._at = self._block + 1, 0
        else:
            # Not NumPy's own, which asks for huge pages: where the system has none at hand, one
            # costs more than the small ones it stands for.
            block = np.frombuffer(mmap.mmap(-1, max(size, _BLOCK_BYTES)), np.uint8)
            self._blocks.append(block)
        taken = block[self._at : self._at + size]
        self._at += -(-size // _ALIGNED) * _ALIGNED
        return taken.view(dtype).reshape(shape)

    def zeros(self, shape: int | tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
        """Take an array of zeros."""
        taken = self.empty(shape, kind)
        taken.fill(0)
        return taken

    def clear(self) -> None:
        """Let what was taken be used again."""
        self._block, self._at = 0, 0
