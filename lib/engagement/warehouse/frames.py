"""Rows and columns on their way between an engine, Arrow and pandas."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

import pandas as pd
import pyarrow as pa
from sqlglot import exp

from engagement.records.files import PARTITION
from engagement.sql.dialect import Table
from engagement.warehouse.errors import WarehouseError


def fresh_name(table: Table) -> str:
    """Name under which a table is made that is to take another's place.

    There is a blank in it: no table that an event asks for is called so.
    """
    return f"fresh {table.name}"


def columns_of(table: Table, names: Iterable[str]) -> exp.Select:
    """The query for some columns of a table."""
    return exp.select(*(exp.column(name, quoted=True) for name in names)).from_(table.node())


def with_new_columns(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """Columns and types of a table some of whose partitions are replaced.

    What the new rows have comes in their order and with their types; what only other partitions
    have comes after it, but before the partition's date where that is last.
    """
    # Engines write ``decimal(38,0)``: with a blank it is no other type, for which all is made anew.
    new = {name: kind.replace(" ", "") for name, kind in new.items()}
    extra = {name: kind for name, kind in old.items() if name not in new}
    names = list(new)
    if names and names[-1] == PARTITION:
        return {name: new[name] for name in names[:-1]} | extra | {PARTITION: new[PARTITION]}
    return new | extra


def frame(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as a DataFrame whose types say what the columns hold.

    bigint becomes Int64, boolean ``boolean``, varchar ``str``, double float64, decimal Python
    ``Decimal``, date ``datetime.date``, timestamp ``datetime64[ms]``, arrays Python lists. Types
    depend on the columns alone, never on the rows: empty results have them too.

    Raises
    ------
    WarehouseError
        When two columns have the same name.
    """
    twice = [name for name, times in Counter(table.column_names).items() if times > 1]
    if twice:
        raise WarehouseError(
            f"the query gives several columns the name '{twice[0]}': name each one, with 'as'"
        )
    fields = []
    for field_ in table.schema:
        if pa.types.is_timestamp(field_.type):
            fields.append(pa.field(field_.name, pa.timestamp("ms")))
        elif pa.types.is_integer(field_.type):
            fields.append(pa.field(field_.name, pa.int64()))
        else:
            fields.append(field_)
    table = table.cast(pa.schema(fields), safe=False)
    mapping = {
        pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype(na_value=float("nan")),
        pa.large_string(): pd.StringDtype(na_value=float("nan")),
    }
    result: pd.DataFrame = table.to_pandas(types_mapper=mapping.get, date_as_object=True)
    for name in table.column_names:
        if pa.types.is_list(table.schema.field(name).type):
            lists = [None if v is None else list(v) for v in result[name]]
            result[name] = pd.Series(lists, index=result.index, dtype=object)
    return result


_ARROW_TYPES = {
    "varchar": pa.string(),
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp(3)": pa.timestamp("ms"),
}


def arrow_type(kind: str) -> pa.DataType | None:
    """Arrow's type of a column of rows that are here, by its Athena type; ``None`` where none is.

    What :meth:`Session.rows` takes: plain values and decimals, no arrays.
    """
    decimal = re.fullmatch(r"decimal\((\d+), ?(\d+)\)", kind)
    if decimal:
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    return _ARROW_TYPES.get(kind)


_APPENDED = {
    pa.string(): "varchar",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.timestamp("ms"): "timestamp(3)",
}


def appended(old: pa.Table | None, rows: pa.Table) -> tuple[pa.Table, dict[str, str]]:
    """A small table's rows with the columns of those that come to it, and these columns' types."""
    kinds = {column.name: _APPENDED[column.type] for column in rows.schema}
    if old is None:
        return rows.slice(0, 0), kinds
    return fitted(old, rows.schema), kinds


def fitted(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows with the columns and types of a schema, NULL where they have none."""
    columns = [
        rows.column(column.name).cast(column.type)
        if column.name in rows.column_names
        else pa.nulls(rows.num_rows, column.type)
        for column in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
