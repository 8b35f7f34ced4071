"""Consent to a topic: a subscription group that a trait answers for, such as a newsletter."""

from __future__ import annotations

from sqlglot import exp

from engagement.audience.errors import AudienceError
from engagement.flatten.names import column_name
from engagement.messages import nearest
from engagement.settings import Settings
from engagement.sql.dialect import parse
from engagement.warehouse import Session, Table

IDENTIFIES = Table("events", "identifies")

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


def answers(session: Session, settings: Settings, topic: str) -> exp.Query:
    """The query for each person's answer on a topic; empty while only the tracking plan names it.

    Parameters
    ----------
    topic
        One of ``audience.topics``.

    Raises
    ------
    AudienceError
        When neither an event nor the tracking plan has the trait, or no answer can be one of its
        type: nobody has answered a trait that is misspelt, and ``consent.unanswered: allow`` would
        take that for everybody's yes.
    """
    trait = settings.audience.topics[topic]
    received = session.columns(IDENTIFIES)
    kind = received.get(trait)
    column = exp.column(exp.to_identifier(trait, quoted=True), "s")
    texts: dict[str, exp.Expr] = {
        "varchar": column,
        "boolean": exp.cast(column, "varchar"),
        "bigint": exp.cast(column, "varchar"),
        "double": exp.Anonymous(this="double_text", expressions=[column]),
    }
    if kind is None:
        planned = {column_name(name) for name in settings.tracking_plan.get("identifies", {})}
        if trait not in planned:
            answerable = [name for name, type_ in received.items() if type_ in texts]
            near = nearest(trait, {*answerable, *planned})
            raise _wrong(
                topic,
                f"no identify event had the trait '{trait}', and the tracking plan has none{near}",
            )
        return parse(
            "select cast(null as varchar) as person_id, cast(null as boolean) as consent_topic "
            "where false"
        )
    if kind not in texts:
        raise _wrong(
            topic,
            f"the trait '{trait}' is {kind}, and no answer is: an answer is a text, a truth value "
            "or a number",
        )
    query = parse(_TOPIC)
    for node in list(query.find_all(exp.Column)):
        if node.name == "trait_as_text":
            node.replace(texts[kind])
    return query


def _wrong(topic: str, problem: str) -> AudienceError:
    return AudienceError("the parameters", [f"audience.topics.{topic}: {problem}"])
