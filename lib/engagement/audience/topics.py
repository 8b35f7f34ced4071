"""Consent to a topic: a subscription group that a trait answers for, such as a newsletter."""

from __future__ import annotations

from sqlglot import exp

from engagement.sql.dialect import parse
from engagement.warehouse import Session, Table

_BLANKS = "[ \\t\\r\\n\\x0b\\x0c\\x{a0}\\x{3000}]"

_TOPIC = """
    select a.person_id, a.is_yes as consent_topic
    from (
        select
            e.person_id,
            coalesce(w.is_yes, false) as is_yes,
            row_number() over (
                partition by e.person_id
                order by e."timestamp" desc, e.received_at desc, i.id desc,
                    i.received_at_utc_date desc
            ) as place
        from (
            select
                t.id,
                t.received_at_utc_date,
                regexp_replace(
                    regexp_replace(
                        lower(t.answer),
                        '^{BLANKS}+|{BLANKS}+\\z',
                        ''
                    ),
                    '[-_ \\t\\r\\n\\x0b\\x0c\\x{a0}\\x{3000}]+',
                    ' '
                ) as answer
            from (
                select
                    s.id,
                    s.received_at_utc_date,
                    trait_as_text as answer
                from events.identifies as s
                where s.received_at < :seen_before
            ) as t
            where regexp_like(t.answer, '[^ \\t\\r\\n\\x0b\\x0c\\x{a0}\\x{3000}]')
        ) as i
        inner join marts.person_events as e
            on i.id = e.id and i.received_at_utc_date = e.received_at_utc_date
        left join (
            select
                regexp_replace(
                    regexp_replace(lower(cw.word), '^[ \\t\\r\\n]+|[ \\t\\r\\n]+\\z', ''),
                    '[-_ \\t\\r\\n]+',
                    ' '
                ) as word,
                bool_and(cw.is_yes) as is_yes
            from seeds.consent_words as cw
            group by 1
        ) as w
            on i.answer = w.word
    ) as a
    where a.place = 1
""".replace("{BLANKS}", _BLANKS)
"""The latest answer of each person for a topic, read as ``marts.consent_answers`` reads those for
channels: what is no word of the list means no."""


def answers(session: Session, trait: str) -> exp.Query:
    """The query for each person's answer for a topic; empty where no event has the trait."""
    kind = session.columns(Table("events", "identifies")).get(trait)
    column = exp.column(exp.to_identifier(trait, quoted=True), "s")
    texts: dict[str | None, exp.Expr] = {
        "varchar": column,
        "boolean": exp.cast(column, "varchar"),
        "bigint": exp.cast(column, "varchar"),
        "double": exp.Anonymous(this="double_text", expressions=[column]),
    }
    text = texts.get(kind)
    if text is None:
        return parse(
            "select cast(null as varchar) as person_id, cast(null as boolean) as consent_topic "
            "where false"
        )
    query = parse(_TOPIC)
    for node in list(query.find_all(exp.Column)):
        if node.name == "trait_as_text":
            node.replace(text)
    return query
