"""Who logs in, and where: from the parameters to what a connection or a call takes.

No password is ever in the parameters, nor in a message.
"""

from __future__ import annotations

import json
import os
from typing import Any

from engagement.aws.clients import Service, ServiceError
from engagement.settings.redshift import Redshift
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.redshift import connector
from engagement.warehouse.redshift.data_api import DataApi
from engagement.warehouse.redshift.transport import Transport

PASSWORD = "REDSHIFT_PASSWORD"  # noqa: S105 (a variable's name)
READ_PASSWORD = "REDSHIFT_READ_PASSWORD"  # noqa: S105

_ONE_HOUR = 3600
_GRACE = 60


def transport(section: Redshift, *, reads: bool) -> Transport:
    """Open a session: over a connection or by the Data API, as the parameters say.

    Parameters
    ----------
    reads
        Log in as the user who only reads, where one is named.

    Raises
    ------
    WarehouseError
        When nobody is let in.
    """
    if section.connect == "data_api":
        return DataApi(
            Service("redshift-data", section.region),
            target(section, reads=reads),
            poll_seconds=section.poll_seconds,
            statement_seconds=section.statement_seconds,
            busy_seconds=section.wait_seconds * 4,
        )
    connector.driver()  # before anything is asked for
    try:
        given = (
            _by_password(section, reads)
            if section.connect == "password"
            else _by_iam(section, reads)
        )
    except ServiceError as error:
        raise WarehouseError(f"logging in to Redshift: {error}") from None
    ssl: dict[str, Any] = (
        {"ssl": False} if section.sslmode == "disable" else {"sslmode": section.sslmode}
    )
    return connector.connect(
        {"database": section.database, **given, **ssl, "timeout": section.wait_seconds},
        section.statement_seconds + _GRACE,
    )


def target(section: Redshift, *, reads: bool) -> dict[str, str]:
    """Whose database the calls of the Data API are for, and who asks."""
    found = {"Database": section.database}
    if section.workgroup:
        found["WorkgroupName"] = section.workgroup
    else:
        found["ClusterIdentifier"] = str(section.cluster)
    secret = (section.read_secret_arn if reads else None) or section.secret_arn
    user = (section.read_user if reads else None) or section.user
    if reads and section.read_user and not section.read_secret_arn:
        secret = None
    if secret:
        found["SecretArn"] = secret
    elif user and section.cluster:
        found["DbUser"] = user
    elif reads and section.read_user:
        raise WarehouseError(
            "the Data API of a workgroup takes no user: name read_secret_arn in place of read_user"
        )
    return found


def _by_password(section: Redshift, reads: bool) -> dict[str, Any]:
    place = {"host": section.host, "port": section.port}
    secret = (section.read_secret_arn if reads else None) or section.secret_arn
    is_reader = reads and section.read_user is not None and section.read_secret_arn is None
    if secret and not is_reader:
        return {**place, **_of_secret(section, secret)}
    name = READ_PASSWORD if is_reader else PASSWORD
    password = os.environ.get(name)
    if password is None:
        raise WarehouseError(f"the password is not set: export {name}, or name a secret")
    return {**place, "user": section.read_user if is_reader else section.user, "password": password}


def _of_secret(section: Redshift, arn: str) -> dict[str, Any]:
    answer = Service("secretsmanager", section.region).call("GetSecretValue", SecretId=arn)
    try:
        found = json.loads(answer["SecretString"])
        return {"user": found["username"], "password": found["password"]}
    except (KeyError, ValueError, TypeError):
        raise WarehouseError(
            "the secret has no username and password, as Redshift's have"
        ) from None


def _by_iam(section: Redshift, reads: bool) -> dict[str, Any]:
    """Credentials for an hour, of whoever boto3 finds, or of a user of a cluster."""
    if section.workgroup:
        service = Service("redshift-serverless", section.region)
        found = service.call(
            "GetCredentials",
            workgroupName=section.workgroup,
            dbName=section.database,
            durationSeconds=_ONE_HOUR,
        )
        user, password = found["dbUser"], found["dbPassword"]
        if reads and section.read_user:
            raise WarehouseError("IAM logs in to a workgroup as itself: leave read_user out")
        endpoint = None
        if section.host is None:
            group = service.call("GetWorkgroup", workgroupName=section.workgroup)["workgroup"]
            endpoint = group.get("endpoint", {})
            endpoint = {"host": endpoint.get("address"), "port": endpoint.get("port")}
    else:
        service = Service("redshift", section.region)
        name = (section.read_user if reads else None) or section.user
        if name:
            found = service.call(
                "GetClusterCredentials",
                ClusterIdentifier=section.cluster,
                DbUser=name,
                DbName=section.database,
                DurationSeconds=_ONE_HOUR,
                AutoCreate=False,
            )
        else:
            found = service.call(
                "GetClusterCredentialsWithIAM",
                ClusterIdentifier=section.cluster,
                DbName=section.database,
                DurationSeconds=_ONE_HOUR,
            )
        user, password = found["DbUser"], found["DbPassword"]
        endpoint = None
        if section.host is None:
            (cluster,) = service.call("DescribeClusters", ClusterIdentifier=section.cluster)[
                "Clusters"
            ]
            endpoint = cluster.get("Endpoint", {})
            endpoint = {"host": endpoint.get("Address"), "port": endpoint.get("Port")}
    place = endpoint or {"host": section.host, "port": section.port}
    return {**place, "user": user, "password": password}
