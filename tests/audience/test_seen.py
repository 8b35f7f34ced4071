"""A set of texts in little memory answers as a set does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engagement.audience import seen
from engagement.audience.seen import Seen


@given(st.lists(st.text(max_size=5)), st.lists(st.text(max_size=5)))
def test_it_answers_as_a_set_does(put: list[str], asked: list[str]) -> None:
    found = Seen(put)
    assert [text in found for text in [*put, *asked]] == [t in set(put) for t in [*put, *asked]]


def test_it_answers_so_when_it_has_put_texts_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "_MERGED_AT", 3)
    found = Seen()
    for n in range(20):
        assert str(n) not in found
        found.add(str(n))
        assert all(str(m) in found for m in range(n + 1))
    assert repr(found) == "Seen(…)"
