"""Athena's engine on one machine, for tests: a real Trino over moto's Glue and S3.

`running` starts it; `Stand` is what tests use; `shared_host` lets stands of several processes run
their Trinos in one; `fail` makes calls go wrong. From a shell,
``python -m tests.athena.stand`` starts it for a person, and prints the variables to export.

What it does not do, or does otherwise than Athena:

- no Iceberg tables, prepared statements, federated catalogs, permissions or encryption;
- of the DDL in Hive's language, only what ``hive_ddl`` lists; ``DESCRIBE`` and ``SHOW CREATE
  TABLE`` fail and say so;
- a partition column of type ``date`` takes ISO dates only, whatever format its projection has;
- a statement that fails or is cancelled cleans up the files it wrote, where Athena leaves them;
- a statement has one writer, so it makes one file for each partition, where Athena makes several;
- a very quick INSERT may be written before a workgroup's limit on bytes scanned cancels it;
- Arrow's own S3 client, and so PyAthena's ``ArrowCursor``, reads no address from the
  environment: the fixture ``aws_environment`` redirects it, another process has to do so itself.
"""

from .errors import ServiceError, StandError
from .executions import StatementRecord
from .faults import Call, Failure, Faults, fail
from .stand import Stand, running, shared_host
from .trino_host import TrinoHost

__all__ = [
    "Call",
    "Failure",
    "Faults",
    "ServiceError",
    "Stand",
    "StandError",
    "StatementRecord",
    "TrinoHost",
    "fail",
    "running",
    "shared_host",
]
