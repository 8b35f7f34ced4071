"""The project's own functions: what they are called and what they give.

They may be called like any other in a SQL text of the dialect. Each engine defines them in its own
words (see :class:`engagement.sql.rendering.Rendering`); ``@1`` stands for the first argument there.
"""

from __future__ import annotations

TIMESTAMP_PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?"
    r"(Z|[+-](0[0-9]|1[0-3]):?[0-5][0-9]|[+-]14:?00)?\z"
)
"""A string of this form is a timestamp; without an offset it is UTC.

Hours, minutes and offsets beyond these are read by one engine and refused by the other.
"""

BELIEVED_TIMES = "@1 >= '0001-01-02' and @1 < '9999-12-31'"
"""Days of which every time is in the years 1 to 9999, whatever its offset."""

DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\z"
WHOLE_PATTERN = r"^[-+]?[0-9]{1,19}\z"
NUMBER_PATTERN = r"^[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]{1,3})?\z"

FUNCTIONS: dict[str, str] = {
    "json_verdict": (
        "json_verdict(text): object, value or not_json, by RFC 8259, with no lone surrogates "
        "and no number beyond a double; too_deep for what is nested in more than MAX_DEPTH "
        "levels; where an engine's reader keeps the first of two values of a key, also twice: an "
        "object that gives some key two values."
    ),
    "json_last_wins": (
        "json_last_wins(text): the text with only the last of the values that a key is given; "
        "called where json_verdict says twice."
    ),
    "parse_timestamp": (
        "parse_timestamp(text): the UTC time, in whole milliseconds, of a text of "
        "TIMESTAMP_PATTERN's form; NULL for any other text, for times that do not exist, and "
        "beyond the years 1 to 9999."
    ),
    "timestamp_text": (
        "timestamp_text(time): a UTC time as text, in the form that parse_timestamp reads."
    ),
    "json_kind": "json_kind(text): string, integer, double, boolean, array, object or null.",
    "json_scalar": (
        "json_scalar(text): a string without its quotes and escapes, any other value as it stands."
    ),
    "json_of": (
        "json_of(text): the JSON value that a text is; NULL for anything but exactly one, "
        "read strictly as json_verdict does. Of a key given twice, the last value counts."
    ),
    "json_items": (
        "json_items(text): the members of a JSON array as an array of JSON values, NULL for "
        "null; NULL for a text that is no JSON array, read strictly as json_of does."
    ),
    "json_text": (
        "json_text(value, path): the text of the scalar at a path of a JSON value: of a "
        "string without its quotes, of a number as json_numbers has it; NULL for an object, an "
        "array, null and nothing."
    ),
    "json_numbers": (
        "json_numbers(text): a JSON text, as the engine prints it, with exponents only in "
        "numbers from 1e21 on and below 1e-6: 10000000.0 and 0.0001, not 1.0E7 and 1.0E-4."
    ),
    "json_object_items": (
        "json_object_items(text): the members of a JSON object as the text of a JSON array, "
        "from the object's text as the engine prints it. Where all keys are whole numbers, "
        "they come in their order; where all values are objects, in the object's own; else "
        "the object is the only one. Of more than MOST_SORTED members none is moved: that "
        "would take minutes."
    ),
    "json_has_others": (
        "json_has_others(text): whether a JSON array, given as text, has a member that is no "
        "object."
    ),
    "parse_bigint": (
        "parse_bigint(text): a whole number in decimal digits, with or without a sign; NULL "
        "for any other text (a blank, 5.0, 1_000) and for numbers that are no bigint."
    ),
    "parse_double": (
        "parse_double(text): a number such as -1.50 or 1e-3; NULL for any other text and for "
        "numbers beyond a double."
    ),
    "parse_date": (
        "parse_date(text): a day as 2026-01-05, of the years 0001 to 9999; NULL for any other "
        "text and for days that do not exist."
    ),
    "double_text": (
        "double_text(number): the shortest text of a double, as 0.1, 100.0, 1e-05 or 1e+16; "
        "NULL for what is no finite number."
    ),
    "local_time": "local_time(time, zone): the wall-clock time in a zone of a UTC time.",
    "sha256_hex": "sha256_hex(text): lower-case hexadecimal digest of the text's UTF-8 bytes.",
    "url_parameter": (
        "url_parameter(url, name): the decoded value of a query parameter; NULL where it is "
        "absent or empty, and as it stands where it cannot be decoded. A text that starts "
        "with ? is read as a query string."
    ),
    "url_host": (
        "url_host(url): the host of an absolute URL, lower case, without user, port or a "
        "leading www."
    ),
}
"""What each function gives, by its name."""
