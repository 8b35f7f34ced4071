"""However records are spread over files and runs: the same tables, and nothing is lost."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.flatten.conftest import Raw, Shop, folder, of_whole_runs, text

DAYS = ("2026-01-05", "2026-01-06", "2026-01-14")

scalars = st.sampled_from(
    [
        "1",
        "2.5",
        "1e2",
        "true",
        '"a"',
        '""',
        "null",
        '"2026-01-05T10:00:00Z"',
        "[1]",
        "{}",
        "9007199254740993",
    ]
)
properties = st.dictionaries(st.sampled_from(["a", "A", "b", "price"]), scalars, max_size=3)


@st.composite
def records(draw: st.DrawFn) -> tuple[str, str]:
    """A received date, and a line: mostly an event, some of them copies, some no event at all."""
    day = draw(st.sampled_from(DAYS))
    line = draw(st.sampled_from(["event"] * 6 + ["{", "[]", '{"type":"none"}', ""]))
    if line != "event":
        return day, line
    content = draw(properties)
    keys: dict[str, Any] = {
        "messageId": draw(st.sampled_from(["1", "2", "3", "4", ""])),
        "type": draw(st.sampled_from(["track", "track", "identify", "page"])),
        "event": draw(st.sampled_from(["Seen", "seen", "Bought"])),
        "receivedAt": f"{day}T1{draw(st.integers(0, 2))}:00:00Z",
        "userId": draw(st.sampled_from(["u1", "u2", ""])),
    }
    inner = "{" + ",".join(f'"{key}":{value}' for key, value in content.items()) + "}"
    part = "traits" if keys["type"] == "identify" else "properties"
    return day, text(**keys, **{part: Raw(inner)})


def spread(shop: Shop, landed: list[tuple[str, str]], seed: int) -> None:
    """Write records into files by chance: in any order, several to a line or a file."""
    chance = random.Random(seed)
    shuffled = chance.sample(landed, len(landed))
    for day in DAYS:
        lines = [line for on, line in shuffled if on == day]
        while lines:
            count = chance.randint(1, len(lines))
            taken, lines = lines[:count], lines[count:]
            whole = all(line.startswith('{"') for line in taken)
            glued = whole and chance.random() < 0.5
            name = f"{folder(day)}/{chance.random()}.json"
            shop.land(*(["".join(taken)] if glued else taken), name=name)


def runs(landed: list[tuple[str, str]], seed: int) -> list[list[tuple[str, str]]]:
    """Records as they arrive for one to four runs, in any order, whatever their dates."""
    chance = random.Random(seed)
    parts: list[list[tuple[str, str]]] = [[] for _ in range(chance.randint(1, 4))]
    for record in landed:
        chance.choice(parts).append(record)
    return [part for part in parts if part]


@of_whole_runs(8)
@given(st.lists(records(), min_size=1, max_size=14), st.integers(0, 2**32))
def test_the_spread_over_files_and_runs_does_not_matter_and_nothing_is_lost(
    landed: list[tuple[str, str]], seed: int
) -> None:
    with tempfile.TemporaryDirectory() as home:
        one, other = Shop(Path(home) / "one"), Shop(Path(home) / "other")
        for number, (day, line) in enumerate(landed):
            one.land(line, name=f"{folder(day)}/{number}.json")
        one.flatten()
        for run, part in enumerate(runs(landed, seed)):
            spread(other, part, seed + run)
            other.flatten()
        left, right = one.tables(), other.tables()
        assert left.keys() == right.keys()
        for table, rows in left.items():
            assert rows == right[table], table
        ledger = one.rows("select records, events, duplicates, quarantined from landing.ledger")
        assert all(seen == kept + twice + bad for seen, kept, twice, bad in ledger)
        counts = {
            "landed": sum(bool(line) for _, line in landed),
            "events.events": sum(kept for _, kept, _, _ in ledger),
            "landing.quarantine": sum(bad for *_, bad in ledger),
        }
        assert sum(seen for seen, *_ in ledger) == counts.pop("landed")
        for table, count in counts.items():
            assert one.rows(f"select count(*) from {table}") == [(count,)]
