"""Athena's DDL in Hive's language, carried out through Glue.

Enough of it for what a data engineer types by hand and what awswrangler sends; whatever is not
here fails and says so.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlglot
from botocore.exceptions import ClientError
from sqlglot import exp

from .access import AwsClient
from .errors import StatementError
from .executions import Outcome
from .results import plain_column
from .statements import Name, Statement, Token, read_name, skip_words

_TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_TEXT_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
_LAZY_SERDE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
_ORC = "org.apache.hadoop.hive.ql.io.orc"
_FORMATS: Mapping[str, tuple[str, str, str]] = {
    "TEXTFILE": (_TEXT_INPUT, _TEXT_OUTPUT, _LAZY_SERDE),
    "PARQUET": (
        f"{_PARQUET}.MapredParquetInputFormat",
        f"{_PARQUET}.MapredParquetOutputFormat",
        f"{_PARQUET}.serde.ParquetHiveSerDe",
    ),
    "ORC": (f"{_ORC}.OrcInputFormat", f"{_ORC}.OrcOutputFormat", f"{_ORC}.OrcSerde"),
}


class HiveDdl:
    """Runs DDL statements against a Glue catalog.

    Parameters
    ----------
    glue : boto3 client
        Of the catalog.
    call_engine : callable
        Runs a statement on Trino.
    """

    def __init__(self, glue: AwsClient, call_engine: Callable[[str], object]) -> None:
        self._glue = glue
        self._call_engine = call_engine

    def run(self, statement: Statement, database: str) -> Outcome:
        """Carry out a statement.

        Raises
        ------
        StatementError
            It cannot be carried out, or the stand does not know it.
        """
        if any(token.kind == "quoted" for token in statement.tokens):
            raise StatementError(
                "FAILED: ParseException",
                "DDL is in Hive's language: names stand in backticks, not in double quotes",
            )
        words = [token.text.upper() for token in statement.tokens if token.kind == "word"]
        for pattern, run in _STATEMENTS:
            if re.match(pattern, " ".join(words)):
                try:
                    return run(self, statement, database)
                except ClientError as error:
                    raise StatementError(
                        f"FAILED: {error.response['Error']['Code']}",
                        error.response["Error"]["Message"],
                    ) from error
        raise StatementError(
            "NOT_SUPPORTED",
            f"the stand does not run this DDL: {statement.sql[:200]}. Use Glue's API, or add it "
            "to the stand.",
        )

    def _create_database(self, statement: Statement, _database: str) -> Outcome:
        tokens = statement.tokens
        start = skip_words(tokens, 2, "IF", "NOT", "EXISTS")
        name, _ = read_name(tokens, start)
        database: dict[str, Any] = {"Name": name.table}
        for position, token in enumerate(tokens[:-1]):
            if token.says("LOCATION"):
                database["LocationUri"] = tokens[position + 1].value
            if token.says("COMMENT"):
                database["Description"] = tokens[position + 1].value
        self._tolerate(
            start > 2,
            "AlreadyExistsException",
            lambda: self._glue.create_database(DatabaseInput=database),
        )
        return Outcome()

    def _drop_database(self, statement: Statement, _database: str) -> Outcome:
        tokens = statement.tokens
        start = skip_words(tokens, 2, "IF", "EXISTS")
        name, position = read_name(tokens, start)
        cascade = position < len(tokens) and tokens[position].says("CASCADE")
        if not cascade and self._tables(name.table, missing_is_empty=start > 2):
            raise StatementError(
                "FAILED: InvalidOperationException",
                f"Database {name.table} is not empty. One or more tables exist.",
            )
        self._tolerate(
            start > 2,
            "EntityNotFoundException",
            lambda: self._glue.delete_database(Name=name.table),
        )
        return Outcome()

    def _drop_table(self, statement: Statement, database: str) -> Outcome:
        start = skip_words(statement.tokens, 2, "IF", "EXISTS")
        name, _ = read_name(statement.tokens, start)
        target = name.within(database)
        self._tolerate(
            start > 2,
            "EntityNotFoundException",
            lambda: self._glue.delete_table(DatabaseName=target.database, Name=target.table),
        )
        return Outcome()

    def _create_external_table(self, statement: Statement, database: str) -> Outcome:
        try:
            tree = sqlglot.parse_one(statement.sql, read="hive")
        except sqlglot.ParseError as error:
            raise StatementError("FAILED: ParseException", str(error)) from error
        if not isinstance(tree, exp.Create) or not isinstance(tree.this, exp.Schema):
            raise StatementError(
                "NOT_SUPPORTED", "the stand cannot read this CREATE EXTERNAL TABLE"
            )
        table = tree.this.this
        self._tolerate(
            bool(tree.args.get("exists")),
            "AlreadyExistsException",
            lambda: self._glue.create_table(
                DatabaseName=(table.db or database).lower(), TableInput=_table_input(tree)
            ),
        )
        return Outcome()

    def _repair(self, statement: Statement, database: str) -> Outcome:
        start = skip_words(statement.tokens, 2, "TABLE")
        name, _ = read_name(statement.tokens, start)
        target = name.within(database)
        self._call_engine(
            "CALL awsdatacatalog.system.sync_partition_metadata("
            f"'{target.database}', '{target.table}', 'ADD')"
        )
        return Outcome()

    def _add_partitions(self, statement: Statement, database: str) -> Outcome:
        name, position = read_name(statement.tokens, 2)
        target = name.within(database)
        start = skip_words(statement.tokens, position + 1, "IF", "NOT", "EXISTS")
        table = self._table(target)
        for values, location in _partitions(statement.tokens[start:], _keys(table)):
            descriptor = dict(table["StorageDescriptor"])
            folder = "".join(
                f"{key}={value}/" for key, value in zip(_keys(table), values, strict=True)
            )
            base = descriptor["Location"].rstrip("/")
            descriptor["Location"] = location or f"{base}/{folder}"
            partition = {"Values": values, "StorageDescriptor": descriptor}
            self._tolerate(
                start > position + 1,
                "AlreadyExistsException",
                lambda partition=partition: self._glue.create_partition(
                    DatabaseName=target.database, TableName=target.table, PartitionInput=partition
                ),
            )
        return Outcome()

    def _drop_partitions(self, statement: Statement, database: str) -> Outcome:
        name, position = read_name(statement.tokens, 2)
        target = name.within(database)
        start = skip_words(statement.tokens, position + 1, "IF", "EXISTS")
        table = self._table(target)
        for values, _ in _partitions(statement.tokens[start:], _keys(table)):
            self._tolerate(
                start > position + 1,
                "EntityNotFoundException",
                lambda values=values: self._glue.delete_partition(
                    DatabaseName=target.database, TableName=target.table, PartitionValues=values
                ),
            )
        return Outcome()

    def _show_tables(self, statement: Statement, database: str) -> Outcome:
        tokens = statement.tokens
        position = 2
        if len(tokens) > 2 and tokens[2].says("IN", "FROM"):
            name, position = read_name(tokens, 3)
            database = name.table
        pattern = tokens[position].value if position < len(tokens) else "*"
        expression = re.compile(pattern.replace("*", ".*"), re.IGNORECASE)
        views_only = tokens[1].says("VIEWS")
        names = [
            table["Name"]
            for table in self._tables(database)
            if expression.fullmatch(table["Name"])
            and (not views_only or table.get("TableType") == "VIRTUAL_VIEW")
        ]
        return _lines("tab_name", sorted(names))

    def _show_databases(self, _statement: Statement, _database: str) -> Outcome:
        pages = self._glue.get_paginator("get_databases").paginate()
        return _lines(
            "database_name",
            sorted(database["Name"] for page in pages for database in page["DatabaseList"]),
        )

    def _show_partitions(self, statement: Statement, database: str) -> Outcome:
        name, _ = read_name(statement.tokens, 2)
        target = name.within(database)
        keys = _keys(self._table(target))
        pages = self._glue.get_paginator("get_partitions").paginate(
            DatabaseName=target.database, TableName=target.table
        )
        return _lines(
            "partition",
            sorted(
                "/".join(f"{key}={value}" for key, value in zip(keys, one["Values"], strict=True))
                for page in pages
                for one in page["Partitions"]
            ),
        )

    def _show_columns(self, statement: Statement, database: str) -> Outcome:
        name, _ = read_name(statement.tokens, 3)
        table = self._table(name.within(database))
        columns = [*table["StorageDescriptor"]["Columns"], *table.get("PartitionKeys", [])]
        return _lines("field", [column["Name"] for column in columns])

    def _table(self, name: Name) -> dict[str, Any]:
        return self._glue.get_table(DatabaseName=name.database, Name=name.table)["Table"]

    def _tables(self, database: str, *, missing_is_empty: bool = False) -> list[dict[str, Any]]:
        try:
            pages = self._glue.get_paginator("get_tables").paginate(DatabaseName=database)
            return [table for page in pages for table in page["TableList"]]
        except ClientError as error:
            missing = error.response["Error"]["Code"] == "EntityNotFoundException"
            if missing and missing_is_empty:
                return []
            raise

    @staticmethod
    def _tolerate(tolerated: bool, code: str, call: Callable[[], object]) -> None:
        try:
            call()
        except ClientError as error:
            if not (tolerated and error.response["Error"]["Code"] == code):
                raise


_STATEMENTS: Sequence[tuple[str, Callable[[HiveDdl, Statement, str], Outcome]]] = (
    (r"CREATE (DATABASE|SCHEMA)\b", HiveDdl._create_database),
    (r"DROP (DATABASE|SCHEMA)\b", HiveDdl._drop_database),
    (r"DROP TABLE\b", HiveDdl._drop_table),
    (r"CREATE EXTERNAL TABLE\b", HiveDdl._create_external_table),
    (r"MSCK REPAIR\b", HiveDdl._repair),
    (r"ALTER TABLE\b.*? ADD\b.*\bPARTITION\b", HiveDdl._add_partitions),
    (r"ALTER TABLE\b.*? DROP\b.*\bPARTITION\b", HiveDdl._drop_partitions),
    (r"SHOW (TABLES|VIEWS)\b", HiveDdl._show_tables),
    (r"SHOW (DATABASES|SCHEMAS)\b", HiveDdl._show_databases),
    (r"SHOW PARTITIONS\b", HiveDdl._show_partitions),
    (r"SHOW COLUMNS (IN|FROM)\b", HiveDdl._show_columns),
)


def _lines(title: str, values: Sequence[str]) -> Outcome:
    return Outcome(columns=[plain_column(title, "varchar")], rows=[(value,) for value in values])


def _keys(table: Mapping[str, Any]) -> list[str]:
    return [key["Name"] for key in table.get("PartitionKeys", [])]


def _partitions(tokens: Sequence[Token], keys: Sequence[str]) -> list[tuple[list[str], str | None]]:
    """Read ``PARTITION (key = value, …) [LOCATION '…']``, as often as it stands there."""
    found: list[tuple[dict[str, str], str | None]] = []
    for position, token in enumerate(tokens):
        if token.says("PARTITION"):
            found.append(({}, None))
        elif token.says("LOCATION") and position + 1 < len(tokens):
            found[-1] = (found[-1][0], tokens[position + 1].value)
        elif token.says("=") and 0 < position < len(tokens) - 1:
            found[-1][0][tokens[position - 1].value.lower()] = tokens[position + 1].value
    for values, _ in found:
        if set(values) != set(keys):
            raise StatementError(
                "FAILED: SemanticException", f"Partition spec {values} does not match {list(keys)}"
            )
    return [([values[key] for key in keys], location) for values, location in found]


def _table_input(tree: exp.Create) -> dict[str, Any]:
    """Turn a parsed ``CREATE EXTERNAL TABLE`` into Glue's description of a table."""
    parameters = {"EXTERNAL": "TRUE"}
    keys: list[dict[str, str]] = []
    location = ""
    comment = ""
    formats = _FORMATS["TEXTFILE"]
    serde: str | None = None
    serde_parameters: dict[str, str] = {}
    for part in tree.args["properties"].expressions:
        match part:
            case exp.LocationProperty():
                location = part.this.name
            case exp.SchemaCommentProperty():
                comment = part.this.name
            case exp.PartitionedByProperty():
                keys = [_column(column) for column in part.this.expressions]
            case exp.RowFormatSerdeProperty():
                serde = part.this.name
                given = part.args.get("serde_properties")
                serde_parameters = _texts(given.expressions if given else [])
            case exp.RowFormatDelimitedProperty():
                serde_parameters = _delimiters(part)
            case exp.FileFormatProperty():
                formats = _formats(part.this)
            case exp.Property() if type(part) is exp.Property:
                parameters.update(_texts([part]))
            case exp.ExternalProperty():
                pass
            case _:
                raise StatementError("NOT_SUPPORTED", f"the stand cannot read: {part.sql('hive')}")
    if not location.startswith("s3://"):
        raise StatementError(
            "FAILED: SemanticException", "an external table needs LOCATION 's3://…'"
        )
    return {
        "Name": tree.this.this.name.lower(),
        "Description": comment,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "PartitionKeys": keys,
        "StorageDescriptor": {
            "Columns": [_column(column) for column in tree.this.expressions],
            "Location": location,
            "InputFormat": formats[0],
            "OutputFormat": formats[1],
            "SerdeInfo": {
                "SerializationLibrary": serde or formats[2],
                "Parameters": serde_parameters,
            },
        },
    }


def _column(definition: exp.ColumnDef) -> dict[str, str]:
    kind = definition.args["kind"].sql("hive").replace(" ", "").lower()
    column = {"Name": definition.name.lower(), "Type": kind}
    for constraint in definition.args.get("constraints") or []:
        if isinstance(constraint.kind, exp.CommentColumnConstraint):
            column["Comment"] = constraint.kind.this.name
    return column


def _texts(properties: Sequence[exp.Expression]) -> dict[str, str]:
    return {one.this.name: _unescape(one.args["value"].name) for one in properties}


def _unescape(text: str) -> str:
    r"""Read Hive's octal escapes, such as ``\001``, which the parser leaves as they are."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)


def _delimiters(part: exp.RowFormatDelimitedProperty) -> dict[str, str]:
    names = {
        "fields": "field.delim",
        "escaped": "escape.delim",
        "collection_items": "collection.delim",
        "map_keys": "mapkey.delim",
        "lines": "line.delim",
        "null": "serialization.null.format",
    }
    parameters = {
        name: _unescape(part.args[argument].name)
        for argument, name in names.items()
        if part.args.get(argument)
    }
    if "field.delim" in parameters:
        parameters["serialization.format"] = parameters["field.delim"]
    return parameters


def _formats(part: exp.Expression) -> tuple[str, str, str]:
    if isinstance(part, exp.InputOutputFormat):
        return (part.args["input_format"].name, part.args["output_format"].name, _LAZY_SERDE)
    try:
        return _FORMATS[part.name.upper()]
    except KeyError:
        raise StatementError(
            "NOT_SUPPORTED", f"the stand knows STORED AS {', '.join(_FORMATS)}, not {part.name}"
        ) from None
