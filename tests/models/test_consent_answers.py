"""How answers about consent are read: words in, yes, no or unreadable out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engagement.warehouse import Table
from tests.models.conftest import Bench

YES = """true t yes y 1 on opt_in opted_in optin subscribe subscribed allow allowed accept accepted
agree agreed grant granted consented""".split()
NO = """false f no n 0 off opt_out opted_out optout unsubscribe unsubscribed deny denied decline
declined refuse refused reject rejected revoke revoked withdrawn""".split()


def build(bench: Bench, *answers: dict[str, Any]) -> None:
    """One identify per row: its id is ``time``, its person p1 unless said otherwise."""
    events = [
        {
            "id": row["time"],
            "timestamp": f"2026-01-{row['time']}",
            "person_id": "p1",
            "type": "identify",
        }
        | {key: row[key] for key in row.keys() & {"person_id", "received_at"}}
        for row in answers
    ]
    bench.given("marts.person_events", events)
    bench.given(
        "sources.identifies",
        [
            {"id": row["time"], "timestamp": f"2026-01-{row['time']}"}
            | {key: row[key] for key in row.keys() - {"time", "person_id"}}
            for row in answers
        ],
    )
    bench.build("consent_answers", "profiles")


def read(bench: Bench, text: str) -> list[tuple[Any, ...]]:
    build(bench, {"time": "01 10:00", "consent_email": text})
    return bench.rows("select answer, is_yes, is_readable from marts.consent_answers")


def test_every_word_of_the_lists(bench: Bench) -> None:
    """As listed, in capitals with blanks around, and with hyphens and several blanks within."""
    for written in (
        lambda word: word,
        lambda word: f" {word.upper()}\t",
        lambda word: word.replace("_", "-").title(),
        lambda word: word.replace("_", " _  "),
    ):
        build(
            bench,
            *(
                {"time": f"01 10:{n:02}", "person_id": word, "consent_email": written(word)}
                for n, word in enumerate([*YES, *NO])
            ),
        )
        found = dict(bench.rows("select person_id, consent_email from marts.profiles"))
        assert found == {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}
        assert bench.rows("select count_if(not is_readable) from marts.consent_answers") == [(0,)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("did_not_subscribe", "did not subscribe"),
        ("unknown", "unknown"),
        ("0.5", "0.5"),
        ("2", "2"),
        ("-1", " 1"),  # no sign is taken off: this is not 1
        ("1.0", "1.0"),
        ("2026-01-05", "(date or time)"),
        ("2026-01-05T10:00:00.000Z", "(date or time)"),
        ('["yes"]', "(list)"),
        ("yes, by mail", "(other text)"),
        ("test.person@example.com", "(other text)"),
        ("+15550100", "(number)"),
        ("y" * 41, "(other text)"),
    ],
)
def test_anything_else_is_unreadable_and_counts_as_no(bench: Bench, text: str, shown: str) -> None:
    assert read(bench, text) == [(shown, False, False)]
    assert bench.rows("select consent_email from marts.profiles") == [(False,)]


@pytest.mark.parametrize("text", [None, "", "  ", "\t\r\n", "\u00a0"])
def test_only_absence_is_silence(bench: Bench, text: str | None) -> None:
    assert read(bench, text) == []  # type: ignore[arg-type]
    assert bench.rows("select consent_email, consent_email_at from marts.profiles") == [
        (None, None)
    ]


def test_a_team_adds_its_own_words(make_bench: Callable[..., Bench], tmp_path: Path) -> None:
    """In its folder of seeds; written with hyphens or underscores, they are compared alike."""
    tmp_path.joinpath("consent_words.csv").write_text(
        "word,is_yes\nEin-Verstanden,true\nallow,\nopt-in,false\n", encoding="utf-8"
    )
    bench = make_bench(models__seeds=str(tmp_path))
    assert read(bench, "ein_verstanden") == [("ein verstanden", True, True)]
    assert read(bench, "allow") == [("allow", False, False)]
    # Listed as a yes by us and as a no by them: no.
    assert read(bench, "opt in") == [("opt in", False, True)]


def test_the_latest_answer_counts_per_channel(bench: Bench) -> None:
    """By event time; an unreadable answer takes a yes back; a blank one says nothing."""
    build(
        bench,
        {"time": "01 10:00", "consent_email": "yes", "consent_sms": "yes", "consent_push": "no"},
        {"time": "03 10:00", "consent_email": "perhaps", "consent_push": "yes"},
        {"time": "02 10:00", "consent_email": "no", "consent_sms": " "},
    )
    assert bench.rows(
        "select channel, id, answer, is_yes, is_latest from marts.consent_answers order by 1, 2"
    ) == [
        ("email", "01 10:00", "yes", True, False),
        ("email", "02 10:00", "no", False, False),
        ("email", "03 10:00", "perhaps", False, True),
        ("push", "01 10:00", "no", False, False),
        ("push", "03 10:00", "yes", True, True),
        ("sms", "01 10:00", "yes", True, True),
    ]
    assert bench.rows("select consent_email, consent_sms, consent_push from marts.profiles") == [
        (False, True, True)
    ]


def test_a_trait_of_numbers_or_booleans_is_read_as_text(
    make_bench: Callable[..., Bench],
) -> None:
    """What flattening made of the answers decides the column's type, never how they are read."""
    bench = make_bench()
    bench.given(
        "marts.person_events",
        [{"id": f"i{n}", "timestamp": "2026-01-01 10:00", "person_id": f"p{n}"} for n in range(3)],
    )
    for column, values, expected in (
        ("boolean", "true, false, null", [True, False, None]),
        ("bigint", "1, 0, 2", [True, False, False]),
        ("double", "1.0e0, 0.0e0, 0.5e0", [True, False, False]),
    ):
        rows = " union all ".join(
            f"select 'i{n}' as id, '2026-01-01' as received_at_utc_date, "
            f"cast({value} as {column}) as consent_email, "
            "timestamp '2026-01-01 10:00:00.000' as received_at"
            for n, value in enumerate(values.split(", "))
        )
        bench.session.publish(Table("events", "identifies"), rows)
        bench.build("consent_answers", "profiles")
        found = bench.rows("select consent_email from marts.profiles order by person_id")
        assert [answer for (answer,) in found] == expected, column
