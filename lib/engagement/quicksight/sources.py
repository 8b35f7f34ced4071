"""By what QuickSight reaches the tables: each engine's type of data source and its parameters.

An engine that QuickSight cannot read, such as an embedded one, is shown as Athena is: that is where
its tables would be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engagement.aws.service_model import Later
from engagement.settings import Settings, SettingsError


@dataclass(frozen=True)
class Reached:
    """How QuickSight reaches an engine.

    Attributes
    ----------
    name
        The engine's, as ids of data sources end.
    title, type
        What people call it, and what QuickSight does.
    parameters
        Its ``DataSourceParameters``.
    others
        Further parameters of the call: credentials, a VPC connection.
    table
        What a table's place has besides schema and name.
    """

    name: str
    title: str
    type: str
    parameters: Mapping[str, Any]
    others: Mapping[str, Any] = field(default_factory=dict)
    table: Mapping[str, Any] = field(default_factory=dict)


def reached(settings: Settings, account: str | None) -> Reached:
    """How QuickSight reaches the engine of the parameters.

    Parameters
    ----------
    account
        The account's number, by which hosts of Serverless are called; ``None`` in a plan.

    Raises
    ------
    SettingsError
        When the parameters do not say how: which host, or by which secret.
    """
    return SOURCES.get(settings.warehouse.engine, _athena)(settings, account)


def region(settings: Settings) -> str | None:
    """The region of the engine, where its section names one."""
    warehouse = settings.warehouse
    sections = (getattr(warehouse, warehouse.engine, None), warehouse.athena)
    named = (getattr(section, "region", None) for section in sections)
    return next((region for region in named if region), None)


def _athena(settings: Settings, account: str | None) -> Reached:
    del account
    athena = settings.warehouse.athena
    parameters: dict[str, Any] = {"WorkGroup": athena.workgroup if athena else "primary"}
    if settings.quicksight.role:
        parameters["RoleArn"] = settings.quicksight.role
    return Reached(
        "athena",
        "Athena",
        "ATHENA",
        {"AthenaParameters": parameters},
        table={"Catalog": "AwsDataCatalog"},
    )


def _redshift(settings: Settings, account: str | None) -> Reached:
    section = settings.warehouse.redshift
    assert section is not None  # noqa: S101 (the settings see to it)
    parameters: dict[str, Any] = {"Database": section.database}
    if section.cluster and not section.host:
        parameters["ClusterId"] = section.cluster
    else:
        parameters["Host"] = section.host or (
            f"{section.workgroup}.{account}.{section.region}.redshift-serverless.amazonaws.com"
            if account
            else Later("endpoint of the workgroup")
        )
        parameters["Port"] = section.port
    role = settings.quicksight.role
    if role:
        iam: dict[str, Any] = {"RoleArn": role}
        user = section.read_user or section.user
        if user and section.cluster:
            iam["DatabaseUser"] = user
        parameters["IAMParameters"] = iam
    return Reached(
        "redshift",
        "Redshift",
        "REDSHIFT",
        {"RedshiftParameters": parameters},
        _others(settings, needs_secret=not role),
    )


def _postgres(settings: Settings, account: str | None) -> Reached:
    del account
    section = settings.warehouse.postgres
    assert section is not None  # noqa: S101 (the settings see to it)
    missing = [
        f"warehouse.postgres.{name}: QuickSight has to be told, it knows none of libpq's settings"
        for name in ("host", "database")
        if getattr(section, name) is None
    ]
    if missing:
        raise SettingsError("quicksight", missing)
    parameters = {
        "Host": section.host,
        "Port": section.port or 5432,
        "Database": section.database,
    }
    others = _others(settings, needs_secret=True)
    if section.sslmode == "disable":
        others["SslProperties"] = {"DisableSsl": True}
    return Reached(
        "postgres", "PostgreSQL", "POSTGRESQL", {"PostgreSqlParameters": parameters}, others
    )


def _others(settings: Settings, *, needs_secret: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    chosen = settings.quicksight
    if chosen.secret:
        found["Credentials"] = {"SecretArn": chosen.secret}
    elif needs_secret:
        problem = (
            "quicksight.secret: name the secret of Secrets Manager whose user QuickSight reads "
            "the tables as; a password is never in the parameters"
        )
        raise SettingsError("quicksight", [problem])
    if chosen.vpc_connection:
        found["VpcConnectionProperties"] = {"VpcConnectionArn": chosen.vpc_connection}
    return found


SOURCES: Mapping[str, Callable[[Settings, str | None], Reached]] = {
    "athena": _athena,
    "redshift": _redshift,
    "postgres": _postgres,
}
"""How each engine is reached, by its name in the parameters."""
