"""search_terms: what people searched for, with and without results."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest


def terms(
    bench: Any,
    columns: str,
    *searches: tuple[str, str | None, int | None],
    bots: tuple[str, ...] = (),
) -> list[tuple[Any, ...]]:
    """Build from (person, query, results) and give columns by term."""
    ids = [f"e{number}" for number in range(len(searches))]
    times = [f"2026-01-01 10:{number:02}" for number in range(len(searches))]
    bench.given(
        "sources.products_searched",
        [
            {"id": name, "timestamp": at, "query": query, "results": results}
            for name, at, (_, query, results) in zip(ids, times, searches, strict=True)
        ],
    )
    bench.given(
        "marts.session_events",
        [
            {
                "id": name,
                "received_at_utc_date": "2026-01-01",
                "person_id": person,
                "session_id": f"s-{person}",
                "is_bot": person in bots,
            }
            for name, (person, _, _) in zip(ids, searches, strict=True)
        ],
    )
    bench.build("search_terms")
    return bench.rows(f"select term, {columns} from marts.search_terms order by term")


def test_searches_with_and_without_results(bench: Any) -> None:
    rows = terms(
        bench,
        "searches, searchers, sessions, searches_with_results, searches_without_results,"
        " searches_of_unknown_results, searches_of_known_results, no_result_rate",
        ("ann", "lamp", 3),
        ("ann", "lamp", 0),
        ("bob", "lamp", 5),
        ("cyd", "lamp", None),
        ("bob", "rug", None),
    )
    # Of three searches whose results are known, one found nothing.
    assert rows == [
        ("lamp", 4, 3, 3, 2, 1, 1, 3, 0.3333),
        ("rug", 1, 1, 1, 0, 0, 1, 0, None),
    ]


@pytest.mark.parametrize("query", ["Desk Lamp", "  desk   lamp ", "desk\tlamp", "DESK\nLAMP"])
def test_case_and_white_space_do_not_matter(bench: Any, query: str) -> None:
    assert terms(bench, "searches", ("ann", "desk lamp", 1), ("ann", query, 1)) == [
        ("desk lamp", 2)
    ]


@pytest.mark.parametrize("query", [None, "", "  ", "\t"])
def test_a_search_for_nothing_is_empty(bench: Any, query: str | None) -> None:
    assert terms(bench, "searches", ("ann", query, 1)) == [("(empty)", 1)]


def test_letters_beyond_ascii_are_kept(bench: Any) -> None:
    assert terms(bench, "searches", ("ann", "KÜCHE", 1), ("ann", "küche", 1)) == [("küche", 2)]


def test_when_it_was_searched_for_last(bench: Any) -> None:
    rows = terms(bench, "last_searched_at", ("ann", "lamp", 1), ("ann", "lamp", 1))
    assert rows == [("lamp", datetime.fromisoformat("2026-01-01 10:01"))]


def test_bots_are_left_out(bench: Any) -> None:
    assert terms(bench, "searches", ("ann", "lamp", 1), ("bot", "lamp", 1), bots=("bot",)) == [
        ("lamp", 1)
    ]


def test_without_searches_there_is_no_term(bench: Any) -> None:
    assert terms(bench, "searches") == []
