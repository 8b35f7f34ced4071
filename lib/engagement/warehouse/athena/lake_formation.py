"""Lake Formation: whether it governs the project's databases, and which grants are missing.

A database is outside of Lake Formation's control as long as the group IAM_ALLOWED_PRINCIPALS has
everything on it: IAM alone then decides. Elsewhere the role needs grants, and before tables may
point into a registered place, one on that place too. (AWS Lake Formation Developer Guide: "Changing
the default settings for your data lake", "Implicit Lake Formation permissions", "Granting data
location permissions".)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from engagement.aws.s3 import missing_permission
from engagement.warehouse.athena.errors import problem
from engagement.warehouse.athena.lake import Lake
from engagement.warehouse.errors import WarehouseError

_EVERYBODY = "IAM_ALLOWED_PRINCIPALS"
_ON_DATABASE = "CREATE_TABLE"
_ON_PLACE = "DATA_LOCATION_ACCESS"
_ON_CATALOG = "CREATE_DATABASE"


def check(lake: Lake) -> str:
    """Say whether Lake Formation governs what a run writes, and that no grant is missing.

    Where the caller may not ask, that is said in words: a grant that is missing then shows in what
    is tried on Glue, and in a statement.

    Raises
    ------
    WarehouseError
        With every grant on the databases and data locations that is missing.
    """
    client = lake.client("lakeformation")
    try:
        settings = client.get_data_lake_settings()["DataLakeSettings"]
        caller = _Caller(lake.client("sts").get_caller_identity()["Arn"])
    except (ClientError, BotoCoreError) as error:
        return _unknown("whether it governs the databases is not known", error)
    new_ones_are_open = _is_open(settings.get("CreateDatabaseDefaultPermissions", []))
    names = [*lake.databases.values(), lake.storage]
    there = [name for name in names if lake.catalog.has_database(name)]
    try:
        grants = {name: _grants(client, {"Database": {"Name": name}}) for name in there}
        governed = [name for name in there if not _is_open(grants[name])]
        missing = [
            f"{_ON_DATABASE} (and DESCRIBE) on the database {name}"
            for name in governed
            if not caller.has(_ON_DATABASE, grants[name])
        ]
        # A data lake administrator may create databases, and has access to every place.
        if not caller.is_one_of(settings.get("DataLakeAdmins", [])):
            if len(there) < len(names) and not new_ones_are_open:
                missing += _on_catalog(client, caller)
            if governed or not new_ones_are_open:
                missing += _on_places(client, lake, caller)
    except (ClientError, BotoCoreError) as error:
        return _unknown("it is in use, and which grants there are is not known", error)
    if missing:
        raise WarehouseError(f"it is in use, and grants are missing: {'; '.join(missing)}")
    if governed:
        return f"it governs {', '.join(governed)}, and the grants are there"
    if not new_ones_are_open:
        return "it will govern databases that are made from now on, and the grants are there"
    return "it leaves the databases to IAM"


def _on_catalog(client: Any, caller: _Caller) -> list[str]:
    has = caller.has(_ON_CATALOG, _grants(client, {"Catalog": {}}))
    return [] if has else [f"{_ON_CATALOG} on the catalog"]


def _on_places(client: Any, lake: Lake, caller: _Caller) -> list[str]:
    """Grants that are missing on the registered places that hold the project's tables."""
    ours = f"{lake.data.bucket}/{lake.data.key}"
    places = [str(item["ResourceArn"]) for item in _all(client.list_resources, "ResourceInfoList")]
    return [
        f"{_ON_PLACE} on {place}"
        for place in places
        if _covers(place, ours)
        and not caller.has(_ON_PLACE, _grants(client, {"DataLocation": {"ResourceArn": place}}))
    ]


def _covers(arn: str, place: str) -> bool:
    registered = arn.partition(":::")[2].removesuffix("*").rstrip("/")
    return bool(registered) and place.startswith(f"{registered}/")


class _Caller:
    """Who calls: a user, or a role that was assumed."""

    def __init__(self, arn: str) -> None:
        parts = arn.split(":", 5)
        self._account, self._arn = parts[4], arn
        kind, _, rest = parts[5].partition("/")
        # Who has assumed a role acts as the role, whose path is not in this name.
        self._role = rest.partition("/")[0] if kind == "assumed-role" else ""

    def is_one_of(self, principals: Iterable[Mapping[str, Any]]) -> bool:
        """Whether the caller is meant by one of the principals."""
        return any(self._is(item["DataLakePrincipalIdentifier"]) for item in principals)

    def has(self, permission: str, grants: Iterable[Mapping[str, Any]]) -> bool:
        """Whether one of the grants gives a permission to the caller."""
        return any(
            self.is_one_of([grant["Principal"]]) and {permission, "ALL"} & {*grant["Permissions"]}
            for grant in grants
        )

    def _is(self, principal: str) -> bool:
        if principal in (_EVERYBODY, self._arn, f"{self._account}:IAMPrincipals"):
            return True
        is_role = f":iam::{self._account}:role/" in principal
        return bool(self._role) and is_role and principal.rpartition("/")[2] == self._role


def _is_open(grants: Iterable[Mapping[str, Any]]) -> bool:
    """Whether everybody whom IAM allows has everything."""
    return any(
        grant["Principal"]["DataLakePrincipalIdentifier"] == _EVERYBODY
        and "ALL" in grant["Permissions"]
        for grant in grants
    )


def _grants(client: Any, resource: dict[str, Any]) -> list[dict[str, Any]]:
    return list(_all(client.list_permissions, "PrincipalResourcePermissions", Resource=resource))


def _all(call: Any, key: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """Items of an answer that comes in pages, where botocore has no paginator."""
    while True:
        answer = call(**parameters)
        yield from answer.get(key, [])
        if not answer.get("NextToken"):
            return
        parameters["NextToken"] = answer["NextToken"]


def _unknown(what: str, error: ClientError | BotoCoreError) -> str:
    missing = missing_permission(error)
    if not missing:
        raise problem("Lake Formation cannot be asked", error) from error
    return f"{what}: asking needs {missing}; an administrator of the data lake can tell"
