"""What a model may be made of: functions, operators, casts and clauses, and nothing else.

Each entry was seen to give the same on both engines; ``tests/sql/dialect_cases.py`` holds a
case for every one, and a test refuses an entry without a case. Names are Athena's, argument keys
are sqlglot's. A kind is what matters of a type: ``integer`` stands for bigint and integer alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

Kind = str

INTEGER, DECIMAL, DOUBLE, VARCHAR, BOOLEAN, DATE, TIMESTAMP, JSON = (
    "integer",
    "decimal",
    "double",
    "varchar",
    "boolean",
    "date",
    "timestamp",
    "json",
)
NULL = "null"
"""The kind of a bare ``null``, which goes with every other."""

UNKNOWN = "unknown"
"""The kind of a column of a table that nothing is known of."""

NUMBER = frozenset({INTEGER, DECIMAL, DOUBLE})
EXACT = frozenset({INTEGER, DECIMAL})
TIME = frozenset({DATE, TIMESTAMP})
ORDERED = NUMBER | TIME | {VARCHAR, BOOLEAN}
TEXTS = frozenset({"array(varchar)"})
ARRAY = frozenset({"array"})
"""Any array."""

ANY = ORDERED | ARRAY
"""Everything but JSON values, which the engines print and compare differently."""


def _one(kind: Kind) -> frozenset[Kind]:
    return frozenset({kind})


@dataclass(frozen=True)
class Signature:
    """How a function is called.

    Attributes
    ----------
    name : str
        Athena's name of it.
    arguments : mapping
        Kinds that each argument takes, by sqlglot's key; no other argument may be given.
        Arguments without kinds (a unit, a path, a lambda) are looked at by rules of their own.
    result : str
        A kind, or ``=key`` for the common kind of those arguments, ``array:key``, ``item:key``.
    """

    name: str
    arguments: Mapping[str, frozenset[Kind] | None]
    result: str


def _of(name: str, result: str, /, **arguments: frozenset[Kind] | None) -> Signature:
    return Signature(name, arguments, result)


_TEXT = _one(VARCHAR)
_WHOLE = _one(INTEGER)

SCALARS: dict[type[exp.Expr], Signature] = {
    exp.Abs: _of("abs", "=this", this=NUMBER),
    exp.ArrayFilter: _of("filter", "=this", this=ARRAY, expression=None),
    exp.ArraySize: _of("cardinality", INTEGER, this=ARRAY | {"array(json)"}),
    exp.ArrayToString: _of("array_join", VARCHAR, this=TEXTS, expression=_TEXT),
    exp.Bracket: _of(
        "element_at",
        "item:this",
        this=ARRAY | {"array(json)"},
        expressions=_WHOLE,
        offset=None,
        safe=None,
    ),
    exp.Ceil: _of("ceil", "=this", this=NUMBER),
    exp.Coalesce: _of("coalesce", "=this,expressions", this=ANY, expressions=ANY),
    exp.Concat: _of("concat", VARCHAR, expressions=_TEXT, safe=None, coalesce=None),
    exp.DateAdd: _of("date_add", "=this", this=TIME, expression=_WHOLE, unit=None),
    exp.DateDiff: _of("date_diff", INTEGER, this=TIME, expression=TIME, unit=None, big_int=None),
    exp.DateTrunc: _of("date_trunc", "=this", this=TIME, unit=None, zone=None),
    exp.Day: _of("day", INTEGER, this=TIME),
    exp.DayOfWeekIso: _of("day_of_week", INTEGER, this=TIME),
    exp.DayOfYear: _of("day_of_year", INTEGER, this=TIME),
    exp.Extract: _of("extract", INTEGER, this=None, expression=TIME),
    exp.Floor: _of("floor", "=this", this=NUMBER),
    exp.GenerateSeries: _of("sequence", "array(integer)", start=_WHOLE, end=_WHOLE, step=_WHOLE),
    exp.Greatest: _of(
        "greatest", "=this,expressions", this=ORDERED, expressions=ORDERED, ignore_nulls=None
    ),
    exp.Hour: _of("hour", INTEGER, this=_one(TIMESTAMP)),
    exp.If: _of("if", "=true,false", this=_one(BOOLEAN), true=ANY, false=ANY),
    exp.Least: _of(
        "least", "=this,expressions", this=ORDERED, expressions=ORDERED, ignore_nulls=None
    ),
    exp.Length: _of("length", INTEGER, this=_TEXT),
    exp.Lower: _of("lower", VARCHAR, this=_TEXT),
    exp.Minute: _of("minute", INTEGER, this=_one(TIMESTAMP)),
    exp.Month: _of("month", INTEGER, this=TIME),
    exp.Nullif: _of("nullif", "=this", this=ANY, expression=ANY),
    exp.Quarter: _of("quarter", INTEGER, this=TIME),
    exp.RegexpExtract: _of(
        "regexp_extract",
        VARCHAR,
        this=_TEXT,
        expression=_TEXT,
        group=_WHOLE,
        null_if_pos_overflow=None,
    ),
    exp.RegexpExtractAll: _of(
        "regexp_extract_all", "array(varchar)", this=_TEXT, expression=_TEXT, group=_WHOLE
    ),
    exp.RegexpLike: _of("regexp_like", BOOLEAN, this=_TEXT, expression=_TEXT),
    exp.RegexpReplace: _of(
        "regexp_replace", VARCHAR, this=_TEXT, expression=_TEXT, replacement=_TEXT
    ),
    exp.Replace: _of("replace", VARCHAR, this=_TEXT, expression=_TEXT, replacement=_TEXT),
    exp.Round: _of("round", "=this", this=NUMBER, decimals=_WHOLE),
    exp.Second: _of("second", INTEGER, this=_one(TIMESTAMP)),
    exp.Split: _of("split", "array(varchar)", this=_TEXT, expression=_TEXT),
    exp.Sqrt: _of("sqrt", DOUBLE, this=NUMBER),
    exp.StartsWith: _of("starts_with", BOOLEAN, this=_TEXT, expression=_TEXT),
    exp.StrPosition: _of("strpos", INTEGER, this=_TEXT, substr=_TEXT),
    exp.Substring: _of("substr", VARCHAR, this=_TEXT, start=_WHOLE, length=_WHOLE),
    exp.TimestampTrunc: _of("date_trunc", "=this", this=TIME, unit=None),
    exp.Transform: _of("transform", "array:expression", this=ARRAY, expression=None),
    exp.Trunc: _of("truncate", "=this", this=_one(DOUBLE)),
    exp.Upper: _of("upper", VARCHAR, this=_TEXT),
    exp.WeekOfYear: _of("week", INTEGER, this=TIME),
    exp.Year: _of("year", INTEGER, this=TIME),
    exp.YearOfWeek: _of("year_of_week", INTEGER, this=TIME),
}

AGGREGATES: dict[type[exp.Expr], Signature] = {
    exp.ArgMax: _of("max_by", "=this", this=ANY, expression=ORDERED),
    exp.ArgMin: _of("min_by", "=this", this=ANY, expression=ORDERED),
    exp.ArrayAgg: _of("array_agg", "array:this", this=ORDERED),
    exp.Count: _of("count", INTEGER, this=ANY | {JSON}, big_int=None),
    exp.CountIf: _of("count_if", INTEGER, this=_one(BOOLEAN)),
    exp.LogicalAnd: _of("bool_and", BOOLEAN, this=_one(BOOLEAN)),
    exp.LogicalOr: _of("bool_or", BOOLEAN, this=_one(BOOLEAN)),
    exp.Max: _of("max", "=this", this=ORDERED),
    exp.Min: _of("min", "=this", this=ORDERED),
    exp.Sum: _of("sum", "=this", this=EXACT),
}

RANKINGS: dict[type[exp.Expr], Signature] = {
    exp.CumeDist: _of("cume_dist", DOUBLE),
    exp.DenseRank: _of("dense_rank", INTEGER),
    exp.FirstValue: _of("first_value", "=this", this=ANY),
    exp.Lag: _of("lag", "=this", this=ANY, offset=_WHOLE, default=ANY),
    exp.LastValue: _of("last_value", "=this", this=ANY),
    exp.Lead: _of("lead", "=this", this=ANY, offset=_WHOLE, default=ANY),
    exp.Ntile: _of("ntile", INTEGER, this=_WHOLE),
    exp.PercentRank: _of("percent_rank", DOUBLE),
    exp.Rank: _of("rank", INTEGER),
    exp.RowNumber: _of("row_number", INTEGER),
}
"""Functions that say something only over rows in a stated order."""

FUNCTIONS = {**SCALARS, **AGGREGATES, **RANKINGS}

OWN: dict[str, tuple[tuple[frozenset[Kind], ...], Kind]] = {
    "double_text": ((_one(DOUBLE),), VARCHAR),
    "json_items": ((_TEXT,), "array(json)"),
    "json_of": ((_TEXT,), JSON),
    "json_text": ((_one(JSON), _TEXT), VARCHAR),
    "local_time": ((_one(TIMESTAMP), _TEXT), TIMESTAMP),
    "parse_bigint": ((_TEXT,), INTEGER),
    "parse_date": ((_TEXT,), DATE),
    "parse_double": ((_TEXT,), DOUBLE),
    "parse_timestamp": ((_TEXT,), TIMESTAMP),
    "sha256_hex": ((_TEXT,), VARCHAR),
    "timestamp_text": ((_one(TIMESTAMP),), VARCHAR),
    "url_host": ((_TEXT,), VARCHAR),
    "url_parameter": ((_TEXT, _TEXT), VARCHAR),
}
"""The project's own functions that models may use: kinds of their arguments and result."""

OPERATORS: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.And: "and",
    exp.Array: "array[…]",
    exp.Between: "between",
    exp.Boolean: "true and false",
    exp.Case: "case",
    exp.Div: "/",
    exp.DPipe: "||",
    exp.EQ: "=",
    exp.Escape: "like … escape",
    exp.Except: "except",
    exp.Exists: "exists",
    exp.Filter: "filter (where …)",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.Having: "having",
    exp.In: "in",
    exp.Intersect: "intersect",
    exp.Is: "is null",
    exp.Lambda: "x -> …",
    exp.Like: "like",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.Mod: "%",
    exp.Mul: "*",
    exp.Neg: "- before a number",
    exp.NEQ: "<>",
    exp.Not: "not",
    exp.NullSafeEQ: "is not distinct from",
    exp.NullSafeNEQ: "is distinct from",
    exp.Or: "or",
    exp.Placeholder: ":parameter",
    exp.Sub: "-",
    exp.Union: "union",
    exp.Unnest: "unnest",
    exp.Values: "values",
    exp.With: "with",
}

CLAUSES = frozenset(
    part.strip()
    for part in """
    join, left join, right join, full join, cross join,
    group by, order by, desc, nulls first, nulls last, limit, offset, select distinct, *,
    union all, in (select …), (select …) as a value, unnest with ordinality,
    count(distinct …), sum(distinct …), array_agg(distinct …),
    over (partition by …), over (order by …), over (), rows, range,
    unbounded preceding, … preceding, current row, … following, unbounded following,
    literal varchar, literal integer, literal decimal, literal double, literal date,
    literal timestamp, literal null, try_cast
    """.split(",")
)
"""Parts of a query, and of what stands in it, that are no node of their own."""

CASTS: frozenset[tuple[Kind, Kind]] = frozenset(
    (kind, target)
    for kind, targets in {
        INTEGER: (INTEGER, DECIMAL, DOUBLE, VARCHAR),
        DECIMAL: (INTEGER, DECIMAL, DOUBLE, VARCHAR),
        DOUBLE: (DOUBLE,),
        VARCHAR: (VARCHAR,),
        BOOLEAN: (BOOLEAN, INTEGER, VARCHAR),
        DATE: (DATE, TIMESTAMP, VARCHAR),
        TIMESTAMP: (DATE, TIMESTAMP),
        NULL: (INTEGER, DECIMAL, DOUBLE, VARCHAR, BOOLEAN, DATE, TIMESTAMP),
        "rounded double": (INTEGER,),
        "double_text": (DECIMAL,),
    }.items()
    for target in targets
)
"""From what to what a cast may lead.

Two of them by their form only: a double rounded by ``round``, ``floor``, ``ceil`` or ``truncate``
to an integer, and a double by way of its text to a decimal.
"""

STRUCTURE: tuple[type[exp.Expr], ...] = (
    exp.Alias, exp.Cast, exp.Column, exp.CTE, exp.DataType, exp.DataTypeParam, exp.Distinct,
    exp.From, exp.Group, exp.Identifier, exp.Join, exp.Limit, exp.Literal, exp.Null, exp.Offset,
    exp.Order, exp.Ordered, exp.Paren, exp.Select, exp.Star, exp.Subquery, exp.Table,
    exp.TableAlias, exp.TryCast, exp.Tuple, exp.Var, exp.Where, exp.Window, exp.WindowSpec,
)  # fmt: skip
"""Nodes whose parts say what they are: looked at by the clauses, casts and rules."""

INSTEAD: dict[str, str] = {
    "approx_distinct": "approximate results differ between runs: count(distinct x)",
    "approx_percentile": "approximate results differ between runs: take the row by row_number() "
    "and count(*)",
    "arbitrary": "which value comes out is not defined: min(x), or first_value(x) with an order",
    "array_distinct": "the order of what is left differs: array_agg(distinct x order by x)",
    "at_timezone": "DuckDB has none: local_time(t, zone)",
    "avg": "averages of doubles vary with the order of the rows, and those of decimals are "
    "rounded by one engine: divide an exact sum, cast(sum(x) as double) / nullif(count(x), 0)",
    "contains": "where the array holds a NULL one engine answers NULL: join what is unnested",
    "current_date": "a rerun would differ: use the parameter :as_of",
    "current_timestamp": "a rerun would differ: use the parameter :as_of_end",
    "date_format": "the engines know different patterns: timestamp_text(t), cast(d as varchar), "
    "or year(t), month(t), …",
    "date_parse": "the engines know different patterns: parse_date(x) or parse_timestamp(x)",
    "every": "bool_and(x)",
    "exp": "the last digit depends on the engine's mathematics library",
    "format": "the engines know different patterns: || and casts to varchar",
    "format_datetime": "DuckDB has none: timestamp_text(t), or year(t), month(t), …",
    "from_iso8601_timestamp": "it gives a time with a zone: parse_timestamp(x)",
    "json_extract": "the engines print JSON differently: json_text(json_of(x), '$.key')",
    "json_extract_scalar": "numbers (1e2, 1.10) print differently, and what is no JSON is read by "
    "one engine: json_text(json_of(x), '$.key')",
    "json_format": "the engines print JSON differently: json_text(json_of(x), '$.key')",
    "json_parse": "one engine lets what is no JSON pass: json_of(x) or json_items(x)",
    "ln": "the last digit depends on the engine's mathematics library",
    "localtimestamp": "a rerun would differ: use the parameter :as_of_end",
    "log": "the last digit depends on the engine's mathematics library",
    "ltrim": "which characters are trimmed differs: regexp_replace(x, '^[ \\t\\r\\n]+', '')",
    "md5": "sha256_hex(x)",
    "median": "Trino has no exact median: take the middle rows by row_number() and count(*)",
    "percentile_cont": "Athena has none but an approximate one: take the "
    "middle rows by row_number() and count(*)",
    "power": "the last digit depends on the engine's mathematics library: x * x",
    "rand": "a rerun would differ: order by a hash of the key",
    "rtrim": "which characters are trimmed differs: regexp_replace(x, '[ \\t\\r\\n]+\\z', '')",
    "sha256": "sha256_hex(x)",
    "sign": "the engines give it different types: case when x < 0 then -1 …",
    "split_part": "past the end it is NULL or '': element_at(split(x, ','), n)",
    "to_hex": "sha256_hex(x)",
    "trim": "which characters are trimmed differs: "
    "regexp_replace(x, '^[ \\t\\r\\n]+|[ \\t\\r\\n]+\\z', '')",
    "url_decode": "DuckDB leaves + as it is: url_parameter(url, name)",
    "url_extract_host": "DuckDB has none: url_host(url)",
    "url_extract_parameter": "DuckDB has none: url_parameter(url, name)",
    "uuid": "a rerun would differ: sha256_hex(key)",
    "with_timezone": "DuckDB has none: local_time(t, zone)",
    "xxhash64": "DuckDB has none: sha256_hex(x)",
}
"""What to write instead of functions that are not on the list, by Athena's names."""

INSTEAD_OF_NODES: dict[type[exp.Expr], str] = {
    exp.AtTimeZone: "at time zone: the engines read times without a zone differently: "
    "local_time(t, zone)",
    exp.ILike: "ilike: Athena has none: lower(x) like …",
    exp.Interval: "interval: one engine answers with a date, the other with a timestamp: "
    "date_add('day', n, d)",
    exp.IgnoreNulls: "ignore nulls: filter the rows first",
    exp.Fetch: "fetch first: limit n, with an order by the key",
    exp.Struct: "row(…): the engines name its fields differently: write columns",
    exp.TableSample: "tablesample: a rerun would differ: order by a hash of the key",
    exp.Lateral: "lateral: write a join or a window",
    exp.Any: "= any (…): write in (…)",
    exp.Try: "try(…): DuckDB's does not catch the same: try_cast(…), nullif(…)",
}
