"""What a query that somebody types may reach: tables of the warehouse, and functions of values.

Models are held to :mod:`.portability`. A query that is typed may use more of Athena's SQL, but
nothing that reads a file, an address, a setting or another database. Every part of its tree is on a
list here; what is not listed is refused, whatever it is. An engine's own locks come on top of that:
see :func:`engagement.warehouse.duckdb.file.confine`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from sqlglot import exp

from engagement.sql.allowed import FUNCTIONS, OPERATORS, OWN, STRUCTURE
from engagement.sql.features import function_name

DATABASES = ("landing", "events", "marts", "work")
CATALOG = "information_schema"
CATALOG_TABLES = ("columns", "schemata", "tables")
"""The tables of ``information_schema`` that describe the warehouse, and nothing but it."""

_NODES: frozenset[type[exp.Expr]] = frozenset(
    {
        *OPERATORS,
        *STRUCTURE,
        *(exp.All, exp.Any, exp.AtTimeZone, exp.BitwiseAnd, exp.BitwiseNot, exp.BitwiseOr),
        *(exp.BitwiseXor, exp.ColumnDef, exp.Cube, exp.Dot, exp.Fetch, exp.GroupingSets),
        *(exp.IgnoreNulls, exp.ILike, exp.Interval, exp.IntervalSpan, exp.IntDiv, exp.JSONPath),
        *(exp.JSONPathKey, exp.JSONPathRoot, exp.JSONPathSubscript, exp.JSONPathWildcard),
        *(exp.Lateral, exp.LimitOptions, exp.PropertyEQ, exp.Qualify, exp.RespectNulls),
        *(exp.Rollup, exp.Struct, exp.TableSample, exp.WeekStart, exp.WithinGroup, exp.Xor),
    }
)
"""Parts of a query that are no function: they compute with what the tables give."""

_TABLE_PARTS = frozenset({"this", "db", "alias", "joins", "laterals", "sample", "ordinality"})

_NO_PARTS = ("into", "locks", "settings", "format", "hint", "for_")
"""Parts of a ``select`` that do something other than reading."""

_NAMES = frozenset(
    """
    abs acos all_match any_match any_value approx_distinct approx_percentile approx_quantile
    arbitrary arg_max arg_min array_agg array_average array_concat array_distinct array_except
    array_first array_intersect array_join array_last array_max array_min array_position
    array_remove array_reverse array_sort array_sum array_union arrays_overlap asin at_timezone
    atan atan2 avg bar bit_count bitwise_and bitwise_and_agg bitwise_left_shift bitwise_not
    bitwise_or bitwise_or_agg bitwise_right_shift bitwise_xor bool_and bool_or cardinality case
    cast cbrt ceil ceiling char2hexint checksum chr coalesce codepoint combinations concat
    concat_ws contains corr cos cosh cosine_similarity count count_if covar_pop covar_samp crc32
    cume_dist current_date current_time current_timestamp date date_add date_diff date_format
    date_parse date_trunc day day_name day_of_month day_of_week day_of_year degrees dense_rank
    dow doy e element_at ends_with every exists exp extract filter first_value flatten floor
    format format_datetime format_number from_base from_base32 from_base64 from_base64url
    from_big_endian_64 from_hex from_iso8601_date from_iso8601_timestamp
    from_iso8601_timestamp_nanos from_unixtime from_unixtime_nanos from_utf8 geometric_mean
    greatest grouping hamming_distance histogram hour human_readable_seconds if infinity
    inverse_normal_cdf is_finite is_infinite is_json_scalar is_nan json_array_contains
    json_array_get json_array_length json_extract json_extract_scalar json_format json_parse
    json_size kurtosis lag last_day_of_month last_value lead least length levenshtein_distance
    listagg ln localtime localtimestamp log log10 log2 lower lpad ltrim luhn_check map map_agg
    map_concat map_entries map_filter map_from_entries map_keys map_union map_values map_zip_with
    max max_by md5 median millisecond min min_by minute mod month month_name multimap_agg
    multimap_from_entries nan ngrams none_match normal_cdf normalize now nth_value ntile nullif
    numeric_histogram nvl parse_data_size parse_datetime parse_duration percent_rank
    percentile_cont percentile_disc pi pow power quantile quarter radians rand random rank reduce
    regexp_count regexp_extract regexp_extract_all regexp_like regexp_position regexp_replace
    regexp_split regr_intercept regr_slope repeat replace reverse round row row_number rpad rtrim
    second sequence sha1 sha256 sha512 shuffle sign sin sinh skewness slice soundex split
    split_part split_to_map split_to_multimap spooky_hash_v2_32 spooky_hash_v2_64 sqrt
    starts_with stddev stddev_pop stddev_samp str_position strpos substr substring sum tan tanh
    timestamp timezone_hour timezone_minute to_base to_base32 to_base64 to_base64url
    to_big_endian_64 to_hex to_iso8601 to_milliseconds to_unixtime to_utf8 transform
    transform_keys transform_values translate trim trim_array trunc truncate try try_cast typeof
    unnest upper url_decode url_encode url_extract_fragment url_extract_host
    url_extract_parameter url_extract_path url_extract_port url_extract_protocol
    url_extract_query uuid value_at_quantile values_at_quantiles var_pop var_samp variance week
    week_of_year width_bucket wilson_interval_lower wilson_interval_upper with_timezone
    word_stem xxhash64 year year_of_week yow zip zip_with
    """.split()
)
"""Athena's functions that make values of values, with no look at anything else."""

_WORD = re.compile(r"\w+")
"""What is a name without quotes: an engine may read more than a name in anything else."""

_NUMBER = re.compile(r"[0-9][0-9A-Za-z_]*(\.[0-9]*)?([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?")

_OUTSIDE = (
    "a query reads tables of the warehouse alone: write database.name, such as marts.sessions"
)


def problems(query: exp.Expr) -> list[str]:
    """Say what in a query reaches beyond the warehouse, or could; each problem once."""
    found: dict[str, None] = {}
    for node in query.walk():
        for problem in _of(node):
            found.setdefault(problem)
    return list(found)


def _of(node: exp.Expr) -> Iterator[str]:
    if isinstance(node, exp.Table):
        yield from _of_table(node)
    elif isinstance(node, exp.Identifier):
        if not node.args.get("quoted") and not _WORD.fullmatch(node.name):
            yield f"'{node.name}' is no name: put it in double quotes if a column is called so"
    elif isinstance(node, exp.Var):
        # Units, say: they are written as they are, so they must not be anything but a word.
        if not _WORD.fullmatch(node.name):
            yield f"'{node.name}' stands where a single word is expected, such as a unit of time"
    elif isinstance(node, exp.Literal) and not node.is_string:
        if not _NUMBER.fullmatch(node.name):
            yield f"'{node.name}' is no number"
    elif isinstance(node, exp.Lateral):
        if not isinstance(node.this, (exp.Unnest, exp.Subquery)):
            yield f"'{_said(node.this)}' stands where a table is expected: {_OUTSIDE}"
    elif isinstance(node, exp.Placeholder):
        if not node.this:
            yield "'?': there are no values to put in its place; write them into the query"
    elif isinstance(node, exp.Select):
        for part in _NO_PARTS:
            if node.args.get(part):
                yield f"'{part.rstrip('_')}' may not be used in a query"
    elif type(node) in _NODES or type(node) in FUNCTIONS:
        return
    elif isinstance(node, exp.Func):
        yield from _of_function(node)
    elif isinstance(node, exp.Parameter):
        yield f"'{_said(node)}': settings and variables cannot be read in a query"
    elif not isinstance(node.parent, exp.Func):
        yield f"'{_said(node)}' ({_kind(node)}) may not be used in a query"
    else:
        yield f"'{_said(node)}' may not be used in '{_said(node.parent)}'"


def _of_function(node: exp.Func) -> Iterator[str]:
    name = node.name.lower() if isinstance(node, exp.Anonymous) else function_name(node)
    if name in _NAMES or name in OWN or isinstance(node.parent, exp.Table):
        return  # as a table, it is told about with the table
    near = difflib.get_close_matches(name, sorted(_NAMES | set(OWN)), n=2, cutoff=0.75)
    hint = f"; did you mean {' or '.join(f'{one}()' for one in near)}?" if near else ""
    yield (
        f"{name}() may not be used in a query: only Athena's functions that compute with values, "
        f"and the project's own, may{hint}"
    )


def _of_table(node: exp.Table) -> Iterator[str]:
    for part, value in node.args.items():
        if value and part not in _TABLE_PARTS:
            yield (
                f"{_said(node)}: a table is named by its database and its own name, such as "
                "marts.sessions, and nothing more"
            )
            return
    if not isinstance(node.this, exp.Identifier):
        yield f"'{_said(node.this)}' stands where a table is expected: {_OUTSIDE}"
        return
    database, name = node.db, node.name
    if not database:
        if name.lower() not in set(_common_names(node)):
            yield f"there is no table '{name}': {_OUTSIDE}"
    elif database == CATALOG:
        if name.lower() not in CATALOG_TABLES:
            tables = ", ".join(f"{CATALOG}.{one}" for one in CATALOG_TABLES)
            yield f"{CATALOG}.{name} cannot be read; what can: {tables}"
    elif database not in DATABASES:
        known = ", ".join(DATABASES[:-1])
        yield f"there is no database '{database}': the databases are {known}"


def _common_names(node: exp.Expr) -> Iterator[str]:
    """Names that ``with`` gives to what a table at this place may be, as an engine finds them."""
    inner: exp.Expr = node
    while inner.parent is not None:
        outer = inner.parent
        if isinstance(outer, exp.With):
            # Within the list itself: those before it, and itself where it may be recursive.
            at = next(i for i, one in enumerate(outer.expressions) if one is inner)
            several = at + 1 if outer.args.get("recursive") else at
            yield from (one.alias.lower() for one in outer.expressions[:several])
        else:
            listed = outer.args.get("with_") or outer.args.get("with")
            if isinstance(listed, exp.With) and listed is not inner:
                yield from (one.alias.lower() for one in listed.expressions)
        inner = outer


def _said(node: exp.Expr | None) -> str:
    text = " ".join(str(node.sql("athena")).split()) if node is not None else ""
    return text if len(text) <= 60 else f"{text[:57]}…"


def _kind(node: exp.Expr) -> str:
    return node.key.upper()
