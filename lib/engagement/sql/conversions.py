"""Values from outside turned into a column's type: SQL that gives NULL where a value does not fit.

What is given is a SQL text of the value, in Athena's dialect and of the project's own making
(a working column's name, never a name from the data).
"""

from __future__ import annotations

BIGINT, DOUBLE, BOOLEAN, VARCHAR, TIMESTAMP = (
    "bigint",
    "double",
    "boolean",
    "varchar",
    "timestamp(3)",
)

# \z, since $ would let a line end pass on one engine.
NUMERIC_TEXT = r"^[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]{1,3})?\z"
"""Strings that a declared numeric column reads as numbers."""

_WHOLE_TEXT = r"^[-+]?[0-9]{1,19}([.]0+)?\z"

IS_INTEGRAL = "{d} = floor({d}) and abs({d}) < 9223372036854775808e0"
"""Whether a double is an integer that a bigint holds."""

_IS_FINITE = "abs({d}) <= 1.7976931348623157e308"


PARSED_TIME = "parse_timestamp(leaf)"
"""A string, called ``leaf``, as a time."""


def as_text(kinds: frozenset[str]) -> tuple[str, str]:
    """What a column of texts gets of a value of some kinds.

    Returns
    -------
    tuple
        How the value is read, as the kind of a JSON column says; and SQL over it, where it is
        called ``leaf``. Blank ones are NULL.
    """
    if kinds <= {"string"}:
        return "string", "nullif(leaf, '')"
    if kinds <= {"array"}:
        return "string", "nullif(nullif(leaf, '[]'), '[\"\"]')"
    if kinds <= {"integer"} or kinds <= {"boolean"}:
        return next(iter(kinds)), "cast(leaf as varchar)"
    return "json", from_json("leaf", VARCHAR)


def from_text(text: str, target: str) -> str:
    """A string as a timestamp, a number or itself; NULL where it is none."""
    number = f"try_cast({text} as double)"
    match target:
        case "timestamp(3)":
            return f"parse_timestamp({text})"
        case "double":
            return (
                f"case when regexp_like({text}, '{NUMERIC_TEXT}') "
                f"and {_IS_FINITE.format(d=number)} then {number} end"
            )
        case "bigint":
            return (
                f"case when regexp_like({text}, '{_WHOLE_TEXT}') "
                f"then try_cast(regexp_extract({text}, '^[-+]?[0-9]+') as bigint) "
                f"when regexp_like({text}, '{NUMERIC_TEXT}') and {IS_INTEGRAL.format(d=number)} "
                f"then cast({number} as bigint) end"
            )
        case "varchar":
            return text
    return f"cast(null as {target})"


def from_json(json_text: str, target: str) -> str:
    """A JSON value's text as a column's type; NULL where it is blank or does not fit."""
    of, text, number = (
        f"json_kind({json_text})",
        f"json_scalar({json_text})",
        f"try_cast({json_text} as double)",
    )
    match target:
        case "varchar":
            return f"""
                case {of}
                    when 'string' then nullif({text}, '')
                    when 'array' then
                        case when {json_text} not in ('[]', '[""]') then {json_text} end
                    when 'boolean' then {json_text}
                    when 'integer' then
                        case when {json_text} = '-0' then '0' else {json_text} end
                    when 'double' then case
                        when {IS_INTEGRAL.format(d=number)}
                            then cast(cast({number} as bigint) as varchar)
                        else double_text({number})
                    end
                end
            """
        case "boolean":
            return f"case when {of} = 'boolean' then {json_text} = 'true' end"
        case "double":
            return f"""
                case
                    when {of} = 'string' then {from_text(text, target)}
                    when {of} in ('integer', 'double') then {number}
                end
            """
    return f"""
        case
            when {of} = 'string' then {from_text(text, target)}
            when {of} in ('integer', 'double') then {from_text(json_text, target)}
        end
    """


def fitted_to(target: str) -> str:
    """How a value of any kind is read for a column of a type: NULL where it does not fit."""
    return f"fitted to {target}"


FITTED = {fitted_to(target): target for target in (BIGINT, DOUBLE, BOOLEAN, TIMESTAMP)}
"""All of these, and the types."""

LIST, UNLISTED = "list", "unlisted"
"""How a value is read that is a list of objects, whatever was sent in its place; and what is none.

See :func:`listed` and :func:`unlisted`.
"""


def listed(json_text: str) -> str:
    """A JSON value's text as that of a list of objects; NULL where it is blank or none.

    That is an array, and a string that holds one, as they stand. Of an object see
    ``json_object_items``.
    """
    text, members = f"json_scalar({json_text})", f"json_object_items({json_text})"
    return f"""
        case json_kind({json_text})
            when 'array' then case when {json_text} not in ('[]', '[""]') then {json_text} end
            when 'string' then case when json_items({text}) is not null then {text} end
            when 'object' then
                case when {json_text} <> '{{}}' then json_numbers({members}) end
        end
    """


def unlisted(json_text: str) -> str:
    """What :func:`listed` leaves out of a JSON value, as a text; NULL where that is nothing.

    Of an object all of it is given where some member of the list is no object itself.
    """
    text = f"json_scalar({json_text})"
    others = f"json_has_others(json_object_items({json_text}))"
    return f"""
        case
            when json_kind({json_text}) = 'string' then
                case when {text} <> '' and json_items({text}) is null then {text} end
            when json_kind({json_text}) = 'object' then
                case when {json_text} <> '{{}}' and {others} then {json_text} end
            when json_kind({json_text}) <> 'array' then {from_json(json_text, VARCHAR)}
        end
    """


READ_THROUGH = {
    LIST: ("json", listed("leaf")),
    UNLISTED: ("json", unlisted("leaf")),
    BIGINT: ("integer", f"try_cast(leaf as {BIGINT})"),
    TIMESTAMP: ("string", PARSED_TIME),
    **{kind: ("json", from_json("leaf", target)) for kind, target in FITTED.items()},
}
"""How a value is read for a column of a type, and SQL over it, where it is called ``leaf``."""
