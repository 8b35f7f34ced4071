"""What a statement is to Athena, and what it has to look like for Trino.

Athena takes two languages: Hive's for DDL and its own kind of Trino's for everything else. Only
the frame of a statement is read here (its first words, its table properties); the text of the
query inside is passed on as it is.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from .errors import ServiceError, StatementError

MAXIMUM_BYTES = 262_144
ICEBERG_ONLY = "the stand has no Iceberg tables, and Athena runs this on Iceberg tables only"

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*|/\*.*?\*/)
    | (?P<string>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<ticked>`(?:[^`]|``)*`)
    | (?P<word>[^\W\d]\w*)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A word, name, text, number or sign of a statement, and where it stands."""

    kind: str
    text: str
    start: int
    end: int

    def says(self, *words: str) -> bool:
        """Tell whether it is one of these key words or signs."""
        return self.kind in ("word", "sign") and self.text.upper() in words

    @property
    def value(self) -> str:
        """A text or a name without its quotes."""
        quote = {"string": "'", "quoted": '"', "ticked": "`"}.get(self.kind)
        return self.text if quote is None else self.text[1:-1].replace(quote * 2, quote)


class Route(Enum):
    """Who runs a statement, and what becomes of its answer."""

    QUERY = "query"
    WRITE = "write"
    UNLOAD = "unload"
    VIEW = "view"
    EXPLAIN = "explain"
    HIVE = "hive"


@dataclass(frozen=True)
class Name:
    """The name of a table, with its database where the statement gives it."""

    table: str
    database: str | None = None

    def within(self, database: str | None) -> "Name":
        """Fill in the database that the request names."""
        return self if self.database else Name(self.table, database)


@dataclass(frozen=True)
class TableAs:
    """The frame of a ``CREATE TABLE … AS`` or an ``UNLOAD``.

    Attributes
    ----------
    name : Name, optional
        The new table; an UNLOAD has none.
    properties : mapping
        Its properties, each value as it is written.
    head, query : str
        The text before the properties, and the text of the query.
    """

    name: Name | None
    properties: Mapping[str, str]
    head: str
    query: str

    def text_property(self, name: str) -> str | None:
        """The value of a property that is a text."""
        value = self.properties.get(name)
        return None if value is None else value.strip()[1:-1].replace("''", "'")


@dataclass(frozen=True)
class Statement:
    """A statement, read as far as the stand needs.

    Attributes
    ----------
    sql : str
        Its text without a closing semicolon.
    tokens : sequence of Token
        Its parts, comments and spaces left out.
    route : Route
        Who runs it.
    statement_type, substatement_type : str
        Athena's names for what it is.
    target : Name, optional
        The table it writes.
    table_as : TableAs, optional
        The frame of a CTAS or an UNLOAD.
    """

    sql: str
    tokens: Sequence[Token]
    route: Route
    statement_type: str
    substatement_type: str
    target: Name | None = None
    table_as: TableAs | None = None


def tokens_of(sql: str) -> list[Token]:
    """Split a statement into its parts."""
    return [
        Token(match.lastgroup or "", match.group(), match.start(), match.end())
        for match in _TOKEN.finditer(sql)
        if match.lastgroup != "space"
    ]


def read_statement(sql: str) -> Statement:
    """Tell what a statement is, as Athena does when it takes a request.

    Raises
    ------
    ServiceError
        It is too long, empty, more than one statement, or of a kind that Athena does not take.
    """
    if len(sql.encode()) > MAXIMUM_BYTES:
        raise ServiceError(
            "InvalidRequestException",
            "1 validation error detected: Value at 'queryString' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MAXIMUM_BYTES}",
        )
    tokens = tokens_of(sql)
    while tokens and tokens[-1].says(";"):
        sql = sql[: tokens.pop().start].rstrip()
    if not tokens:
        raise ServiceError("InvalidRequestException", "queryString is empty")
    if any(token.says(";") for token in tokens):
        raise ServiceError(
            "InvalidRequestException", f"Only one sql statement is allowed. Got: {sql}"
        )
    return _classify(sql, tokens)


def _classify(sql: str, tokens: list[Token]) -> Statement:
    words = " ".join(token.text.upper() for token in tokens[:5] if token.kind == "word")
    if tokens[0].says("SELECT", "WITH", "VALUES", "TABLE", "("):
        return Statement(sql, tokens, Route.QUERY, "DML", "SELECT")
    if re.match(r"INSERT INTO\b", words):
        target, _ = read_name(tokens, 2)
        return Statement(sql, tokens, Route.WRITE, "DML", "INSERT", target)
    if re.match(r"CREATE TABLE\b", words):
        table_as = _read_create_table_as(sql, tokens)
        return Statement(
            sql, tokens, Route.WRITE, "DDL", "CREATE_TABLE_AS_SELECT", table_as.name, table_as
        )
    if words.startswith("UNLOAD"):
        return Statement(
            sql, tokens, Route.UNLOAD, "DML", "UNLOAD", table_as=_read_unload(sql, tokens)
        )
    if re.match(r"CREATE (OR REPLACE )?VIEW\b", words):
        return Statement(sql, tokens, Route.VIEW, "DDL", "CREATE_VIEW")
    if re.match(r"DROP VIEW\b", words):
        return Statement(sql, tokens, Route.VIEW, "DDL", "DROP_VIEW")
    if words.startswith("EXPLAIN"):
        return Statement(sql, tokens, Route.EXPLAIN, "UTILITY", "EXPLAIN")
    return _classify_ddl(sql, tokens, words)


_HIVE_STATEMENTS = {
    r"CREATE EXTERNAL TABLE\b": ("DDL", "CREATE_TABLE"),
    r"DROP TABLE\b": ("DDL", "DROP_TABLE"),
    r"CREATE (DATABASE|SCHEMA)\b": ("DDL", "CREATE_DATABASE"),
    r"DROP (DATABASE|SCHEMA)\b": ("DDL", "DROP_DATABASE"),
    r"ALTER TABLE\b": ("DDL", "ALTER_TABLE"),
    r"MSCK REPAIR\b": ("DDL", "MSCK_REPAIR"),
    r"SHOW\b": ("UTILITY", "SHOW"),
    r"DESC(RIBE)?\b": ("UTILITY", "DESCRIBE"),
}
_ICEBERG_STATEMENTS = ("DELETE", "UPDATE", "MERGE", "OPTIMIZE", "VACUUM")


def _classify_ddl(sql: str, tokens: list[Token], words: str) -> Statement:
    for pattern, (statement_type, substatement_type) in _HIVE_STATEMENTS.items():
        if re.match(pattern, words):
            return Statement(sql, tokens, Route.HIVE, statement_type, substatement_type)
    if words.startswith(_ICEBERG_STATEMENTS):
        raise StatementError("NOT_SUPPORTED", f"{words.split()[0]}: {ICEBERG_ONLY}")
    raise ServiceError("InvalidRequestException", "Queries of this type are not supported")


def read_name(tokens: Sequence[Token], position: int) -> tuple[Name, int]:
    """Read a name, with or without its database, and return it with where it ends."""
    parts = []
    while position < len(tokens) and tokens[position].kind in ("word", "quoted", "ticked"):
        parts.append(tokens[position].value.lower())
        position += 1
        if position < len(tokens) and tokens[position].says("."):
            position += 1
        else:
            break
    if not 1 <= len(parts) <= 3:
        raise ServiceError("InvalidRequestException", "a name of a table was expected")
    return Name(parts[-1], parts[-2] if len(parts) > 1 else None), position


def skip_words(tokens: Sequence[Token], position: int, *words: str) -> int:
    """Return where the tokens go on after these words, or the position given without them."""
    found = tokens[position : position + len(words)]
    matches = len(found) == len(words) and all(
        token.says(word) for token, word in zip(found, words, strict=True)
    )
    return position + len(words) if matches else position


def _read_create_table_as(sql: str, tokens: list[Token]) -> TableAs:
    start = skip_words(tokens, 2, "IF", "NOT", "EXISTS")
    name, position = read_name(tokens, start)
    properties: dict[str, str] = {}
    head_end = tokens[position - 1].end
    if position < len(tokens) and tokens[position].says("COMMENT"):
        position += 2
        head_end = tokens[position - 1].end
    if position < len(tokens) and tokens[position].says("WITH"):
        properties, position = _read_properties(sql, tokens, position + 1)
    if position >= len(tokens) or not tokens[position].says("AS"):
        raise StatementError("NOT_SUPPORTED", f"CREATE TABLE without AS SELECT: {ICEBERG_ONLY}")
    return TableAs(name, properties, sql[:head_end], sql[tokens[position].end :])


def _read_unload(sql: str, tokens: list[Token]) -> TableAs:
    problem = ServiceError(
        "InvalidRequestException",
        "UNLOAD is written as UNLOAD (query) TO 's3://…' WITH (format = …)",
    )
    if len(tokens) < 2 or not tokens[1].says("("):
        raise problem
    close = _closing(tokens, 1)
    rest = tokens[close + 1 :]
    if len(rest) < 3 or not rest[0].says("TO") or rest[1].kind != "string":
        raise problem
    if not rest[2].says("WITH"):
        raise problem
    properties, position = _read_properties(sql, tokens, close + 4)
    if position != len(tokens):
        raise problem
    properties["external_location"] = rest[1].text
    return TableAs(None, properties, "", sql[tokens[1].end : tokens[close].start])


def _closing(tokens: Sequence[Token], opening: int) -> int:
    """Return where the bracket that opens at a position closes."""
    depth = 0
    for position in range(opening, len(tokens)):
        if tokens[position].says("(", "["):
            depth += 1
        elif tokens[position].says(")", "]"):
            depth -= 1
            if depth == 0:
                return position
    raise ServiceError("InvalidRequestException", "a bracket is not closed")


def _read_properties(sql: str, tokens: Sequence[Token], opening: int) -> tuple[dict[str, str], int]:
    """Read ``(name = value, …)`` and return it with where the tokens go on."""
    if opening >= len(tokens) or not tokens[opening].says("("):
        raise ServiceError("InvalidRequestException", "WITH is followed by properties in brackets")
    close = _closing(tokens, opening)
    properties = {}
    for part in _split_at_commas(tokens[opening + 1 : close]):
        if len(part) < 3 or not part[1].says("="):
            raise ServiceError("InvalidRequestException", "a property is written name = value")
        properties[part[0].value.lower()] = sql[part[2].start : part[-1].end]
    return properties, close + 1


def _split_at_commas(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    part: list[Token] = []
    depth = 0
    for token in tokens:
        depth += token.says("(", "[") - token.says(")", "]")
        if token.says(",") and depth == 0:
            yield part
            part = []
        else:
            part.append(token)
    yield part


# Athena's names of table properties, and how the Hive connector calls the same thing; None where
# the session, or the stand itself, takes care of it.
_TABLE_PROPERTIES: Mapping[str, str | None] = {
    "external_location": "external_location",
    "format": "format",
    "partitioned_by": "partitioned_by",
    "bucketed_by": "bucketed_by",
    "bucket_count": "bucket_count",
    "field_delimiter": "textfile_field_separator",
    "table_type": None,
    "is_external": None,
    "compression": None,
    "write_compression": None,
    "parquet_compression": None,
    "orc_compression": None,
    "compression_level": None,
}
_COMPRESSIONS = ("compression", "write_compression", "parquet_compression", "orc_compression")
_CODECS = {"UNCOMPRESSED": "NONE", "DEFLATE": "GZIP", "ZLIB": "GZIP"}
_DEFAULT_CODECS = {"PARQUET": "GZIP", "ORC": "GZIP", "AVRO": "GZIP", "JSON": "GZIP"}


@dataclass(frozen=True)
class EngineStatement:
    """A statement for Trino, with the session properties that it needs."""

    sql: str
    session: Mapping[str, str]


def translate_table_as(
    frame: TableAs, *, head: str, location: str, catalog: str
) -> EngineStatement:
    """Write a CTAS or an UNLOAD as Trino's ``CREATE TABLE … AS``.

    Parameters
    ----------
    frame : TableAs
        What was asked for.
    head : str
        How the new statement begins, up to its table's name.
    location : str
        Where the files go.
    catalog : str
        Trino's catalog that writes them.

    Raises
    ------
    StatementError
        A property is unknown to Athena, or is one for Iceberg tables.
    """
    unknown = sorted(set(frame.properties) - set(_TABLE_PROPERTIES))
    if unknown:
        raise StatementError(
            "SYNTAX_ERROR", f"Unsupported create table properties: {', '.join(unknown)}"
        )
    if (frame.text_property("table_type") or "HIVE").upper() != "HIVE":
        raise StatementError("NOT_SUPPORTED", f"table_type: {ICEBERG_ONLY}")
    given = (frame.text_property("format") or "PARQUET").upper()
    translated = {
        **frame.properties,
        "format": f"'{given}'",
        "external_location": "'" + location.replace("'", "''") + "'",
    }
    if "field_delimiter" in translated and given != "TEXTFILE":
        del translated["field_delimiter"]
    properties = ", ".join(
        f"{engine_name} = {translated[name]}"
        for name, engine_name in _TABLE_PROPERTIES.items()
        if engine_name is not None and name in translated
    )
    return EngineStatement(
        f"{head} WITH ({properties}) AS {frame.query}",
        {f"{catalog}.compression_codec": _codec(frame, given)},
    )


def _codec(frame: TableAs, file_format: str) -> str:
    for name in _COMPRESSIONS:
        given = frame.text_property(name)
        if given is not None:
            return _CODECS.get(given.upper(), given.upper())
    return _DEFAULT_CODECS.get(file_format, "GZIP")
