"""A connection to Redshift by ``redshift_connector``, which is installed for this alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from engagement.privacy import masked
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.redshift.transport import Result, StatementFailedError
from engagement.warehouse.redshift.types import athena_type

INSTALL = (
    "redshift_connector is not installed: pip install 'engagement[redshift]', or "
    "'pip install --constraint requirements.lock redshift_connector'. Without it, set "
    "warehouse.redshift.connect to data_api"
)

_LONGEST = 300
_NUMERIC = 1700

_KINDS = {
    16: "boolean", 20: "bigint", 21: "integer", 23: "integer", 26: "bigint", 700: "double",
    701: "double", 1082: "date", 1114: "timestamp(3)", 1184: "timestamp(3)", 4000: "json",
    **dict.fromkeys((18, 19, 25, 705, 1042, 1043), "varchar"),
    # Arrays of the leader node's catalog alone: on the compute nodes they are SUPER.
    1009: "array(varchar)", 1015: "array(varchar)",
}  # fmt: skip
"""Athena's types of the wire protocol's numbers."""


def driver() -> Any:
    """The driver's module, with nothing logged: at ``DEBUG`` it logs every statement.

    Raises
    ------
    WarehouseError
        When it is not installed, with what to do.
    """
    try:
        import redshift_connector
    except ImportError:
        raise WarehouseError(INSTALL) from None
    logging.getLogger("redshift_connector").setLevel(logging.WARNING)
    return redshift_connector


def connect(given: Mapping[str, Any], answer_seconds: float | None = None) -> Connector:
    """Connect, with what the driver's ``connect`` takes.

    Parameters
    ----------
    answer_seconds
        How long the server may take to answer a statement, which ends it by itself before that. The
        driver's ``timeout`` is for connecting, and would hold for statements too.

    Raises
    ------
    WarehouseError
        When Redshift cannot be reached, or lets nobody in; the password is never in it.
    """
    module = driver()
    try:
        # Statements are not kept as prepared ones: a table that was replaced has other columns.
        connection = module.connect(
            application_name="engagement", max_prepared_statements=0, **given
        )
    except (module.Error, OSError, ValueError, TypeError) as error:
        raise WarehouseError(
            f"Redshift cannot be reached: {said(error)}. Set how to reach it in warehouse.redshift"
        ) from None
    connection.autocommit = True
    connection._usock.settimeout(answer_seconds)
    return Connector(connection, module.Error)


def said(error: Exception) -> str:
    """What the server or the driver says, without the statement that it may repeat."""
    found = error.args[0] if error.args else type(error).__name__
    if isinstance(found, Mapping):
        code, message = str(found.get("C", "")), str(found.get("M", ""))
        found = f"{message} ({code})" if code else message
    line = (str(found).strip().split("\n")[0] or type(error).__name__)[:_LONGEST]
    return masked(line)


class Connector:
    """One connection; see :class:`~engagement.warehouse.redshift.transport.Transport`."""

    most_bytes = 16_000_000

    def __init__(self, connection: Any, error: type[Exception]) -> None:
        self._connection = connection
        self._error = error

    def run(self, sql: str) -> Result:
        """Run one statement; see the protocol."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql)
            if cursor.description is None:
                return Result(affected=max(cursor.rowcount, 0))
            names = tuple(_name(one[0]) for one in cursor.description)
            kinds = tuple(_kinds(cursor))
            return Result(names, kinds, cursor.fetchall())
        except (self._error, OSError) as error:
            raise StatementFailedError(said(error)) from None
        finally:
            with suppress(self._error, OSError):
                cursor.close()
            # The driver keeps the text of every statement, and some have half a megabyte.
            getattr(self._connection, "_caches", {}).clear()

    def run_in_one_transaction(self, statements: Sequence[str]) -> None:
        """Run statements between ``begin`` and ``commit``."""
        self.run("begin")
        try:
            for statement in statements:
                self.run(statement)
            self.run("commit")
        except BaseException:
            with suppress(StatementFailedError):
                self.run("rollback")
            raise

    def close(self) -> None:
        """Close the connection."""
        with suppress(self._error, OSError):
            self._connection.close()


def _name(label: str | bytes) -> str:
    return label.decode() if isinstance(label, bytes) else label


def _kinds(cursor: Any) -> list[str]:
    """The columns' types; a decimal's digits are in its modifier, which the driver keeps."""
    described = [one[1] for one in cursor.description]
    details = getattr(cursor, "ps", None) or {}
    modifiers = [one.get("type_modifier", -1) for one in details.get("row_desc", ())]
    if len(modifiers) != len(described):
        modifiers = [-1] * len(described)
    return [_kind(int(oid), modifier) for oid, modifier in zip(described, modifiers, strict=True)]


def _kind(oid: int, modifier: int) -> str:
    if oid == _NUMERIC and modifier >= 4:
        digits = modifier - 4
        return athena_type("numeric", digits >> 16 & 0xFFFF, digits & 0xFFFF)
    return "decimal" if oid == _NUMERIC else _KINDS.get(oid, "varchar")
