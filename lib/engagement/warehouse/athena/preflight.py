"""Try one by one what a run needs on AWS, and name the permission that is missing.

Nothing that anybody reads is changed: objects and one table are made under names of their own, and
removed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from engagement.aws import glue
from engagement.aws.s3 import Address, error_code, missing_permission
from engagement.warehouse.athena import lake_formation, setup
from engagement.warehouse.athena.errors import problem
from engagement.warehouse.athena.lake import Lake
from engagement.warehouse.errors import WarehouseError
from engagement.warehouse.protocol import Finding

_KMS = "aws:kms"
_PROBE = "probe"


def findings(lake: Lake) -> Iterator[Finding]:
    """Try everything, whatever fails before it."""
    try:
        trial = _Trial(lake)
    except WarehouseError as error:
        yield Finding("AWS identity", False, str(error), "a profile that there is: AWS_PROFILE")
        return
    tried: list[tuple[str, Callable[[], str], str]] = [
        (
            "AWS identity",
            trial.identity,
            "credentials that AWS knows; no permission is needed to ask whose they are",
        ),
        ("region", trial.region, "s3:ListBucket on the buckets"),
        ("landing bucket", trial.read_landing, "s3:ListBucket and s3:GetObject on the landing"),
        (
            "data location",
            lambda: trial.keep(lake.data),
            "s3:ListBucket, s3:PutObject, s3:GetObject and s3:DeleteObject there",
        ),
        (
            "encryption",
            trial.encryption,
            "kms:GenerateDataKey and kms:Decrypt on the bucket's key",
        ),
        ("Glue, reading", trial.read_catalog, "glue:GetDatabase and glue:GetTables"),
        (
            "Glue, writing",
            trial.write_catalog,
            "glue:CreateTable, glue:UpdateTable and glue:BatchDeleteTable",
        ),
        (
            "Lake Formation",
            lambda: lake_formation.check(lake),
            "the grants named above; an administrator of the data lake gives them",
        ),
        (
            "workgroup",
            lambda: setup.check_workgroup(lake),
            "athena:GetWorkGroup and athena:ListTagsForResource",
        ),
        (
            "output location",
            lambda: trial.keep(Address.parse(lake.output, folder=True)),
            "s3:ListBucket, s3:PutObject, s3:GetObject and s3:DeleteObject there",
        ),
        (
            "statement",
            trial.statement,
            "athena:StartQueryExecution, athena:GetQueryExecution and athena:GetQueryResults",
        ),
    ]
    for name, attempt, needed in tried:
        try:
            yield Finding(name, True, attempt())
        except (ClientError, BotoCoreError, WarehouseError) as error:
            said = str(error) if isinstance(error, WarehouseError) else str(problem(name, error))
            missing = missing_permission(error)
            yield Finding(name, False, said, f"missing: {missing}" if missing else needed)


class _Trial:
    """The single trials; each says in a few words what was found, or raises."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._bucket = lake.bucket

    def identity(self) -> str:
        # Not the account: what is printed may be shown to others.
        arn = self._lake.client("sts").get_caller_identity()["Arn"]
        return str(arn.rsplit(":", 1)[-1])

    def region(self) -> str:
        """The region has Athena, and the buckets of tables and results lie in it."""
        wanted = self._lake.athena.region
        session = boto3.session.Session(region_name=wanted)
        offered = {
            region
            for partition in session.get_available_partitions()
            for region in session.get_available_regions("athena", partition_name=partition)
        }
        if wanted not in offered:
            raise WarehouseError(
                f"Athena is not offered in {wanted}, as far as this environment's AWS library "
                "knows: see lake.athena.region"
            )
        output = Address.parse(self._lake.output)
        for bucket in dict.fromkeys((self._lake.data.bucket, output.bucket)):
            lies_in = self._region_of(bucket)
            if lies_in != wanted:
                raise WarehouseError(
                    f"the bucket {bucket} lies in {lies_in}, and Athena runs in {wanted}: it "
                    "writes to buckets of its own region only"
                )
        landing = self._region_of(self._lake.landing.bucket)
        if landing != wanted:
            return f"{wanted}; the landing lies in {landing}, so that reading it costs transfer"
        return f"{wanted}, where the buckets lie too"

    def _region_of(self, bucket: str) -> str:
        try:
            answer = self._bucket.client.head_bucket(Bucket=bucket)
        except ClientError as error:
            # HEAD has no body: S3 gives a number only.
            if error_code(error) == "404":
                raise WarehouseError(f"there is no bucket {bucket}: check its name") from error
            raise problem(f"the bucket {bucket} cannot be seen", error) from error
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return str(headers.get("x-amz-bucket-region") or self._lake.athena.region)

    def read_landing(self) -> str:
        landing = self._lake.landing
        first = next(iter(self._bucket.listing(landing)), None)
        if first is None:
            return "it is empty"
        self._bucket.read(landing / first.name)
        return "its files can be listed and read"

    def keep(self, folder: Address) -> str:
        """Write, list, read and delete an object."""
        with self._probe(folder) as probe:
            self._bucket.write(probe / _PROBE, b"probe")
            next(iter(self._bucket.listing(probe)), None)
            self._bucket.read(probe / _PROBE)
        return "an object was written, listed, read and deleted"

    @contextmanager
    def _probe(self, folder: Address) -> Iterator[Address]:
        """A folder for an object to be tried with, which is removed whatever happens."""
        probe = folder / f"check-{secrets.token_hex(4)}/"
        try:
            yield probe
        except BaseException:
            # That it cannot be removed either is not what is to be told.
            with suppress(WarehouseError):
                self._bucket.remove(probe, [_PROBE])
            raise
        self._bucket.remove(probe, [_PROBE])

    def encryption(self) -> str:
        """Whether what is written is encrypted with a key that this role may use."""
        output = Address.parse(self._lake.output, folder=True)
        places = {place.bucket: place for place in (output, self._lake.data)}
        return "; ".join(f"{bucket}: {self._encrypted(place)}" for bucket, place in places.items())

    def _encrypted(self, folder: Address) -> str:
        rule, aside = self._rule(folder.bucket)
        if rule and rule.get("SSEAlgorithm") != _KMS:
            return "S3's own keys, which need no permission"
        key = str(rule.get("KMSMasterKeyID") or "aws/s3") if rule else ""
        with self._probe(folder) as probe:
            # What encrypts is the bucket's default, as for everything that a run writes.
            answer = self._call(
                f"{folder} cannot be written with {_key(key)}",
                lambda: self._bucket.client.put_object(
                    Bucket=probe.bucket, Key=probe.key + _PROBE, Body=b"probe"
                ),
                "kms:GenerateDataKey",
                key,
            )
            self._call(
                f"what was written with {_key(key)} cannot be read",
                lambda: self._bucket.client.get_object(Bucket=probe.bucket, Key=probe.key + _PROBE)[
                    "Body"
                ].read(),
                "kms:Decrypt",
                key,
            )
        if answer.get("ServerSideEncryption") != _KMS:
            return f"S3's own keys, which need no permission{aside}"
        used = _key(str(answer.get("SSEKMSKeyId") or key))
        return f"{used}: an object was encrypted and read{aside}"

    def _rule(self, bucket: str) -> tuple[dict[str, Any] | None, str]:
        """The bucket's default encryption, or in words why it is not known."""
        try:
            answer = self._bucket.client.get_bucket_encryption(Bucket=bucket)
        except ClientError as error:
            if error_code(error) == "ServerSideEncryptionConfigurationNotFoundError":
                return {"SSEAlgorithm": "AES256"}, ""
            missing = missing_permission(error)
            if not missing:
                raise problem(f"the encryption of {bucket} cannot be seen", error) from error
            return None, f" (the bucket's default was not asked for: this needs {missing})"
        rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
        chosen = (rule.get("ApplyServerSideEncryptionByDefault") for rule in rules)
        return next((dict(rule) for rule in chosen if rule), {"SSEAlgorithm": "AES256"}), ""

    def _call(self, what: str, call: Callable[[], Any], kms: str, key: str) -> Any:
        try:
            return call()
        except (ClientError, BotoCoreError) as error:
            named = missing_permission(error)
            if key and named and not named.startswith("kms:"):
                # S3 may say no more than 'Access Denied' where it is the key that is denied.
                raise WarehouseError(
                    f"{problem(what, error)}. If s3 is granted, it is {kms} on that key"
                ) from error
            raise problem(what, error) from error

    def read_catalog(self) -> str:
        names = [*self._lake.databases.values(), self._lake.storage]
        there = [name for name in names if self._lake.catalog.has_database(name)]
        for name in there:
            self._lake.catalog.tables(name)
        return f"{len(there)} of {len(names)} databases are there"

    def write_catalog(self) -> str:
        storage, catalog = self._lake.storage, self._lake.catalog
        name = f"check_{secrets.token_hex(4)}"
        at = str(self._lake.data / f"{name}/")
        table = glue.external_table(name, at, {"one": "integer"}, glue.PARQUET)
        try:
            catalog.put(storage, table)
        except WarehouseError as error:
            # Permission comes before everything else: whoever gets to hear of the database has it.
            if "EntityNotFoundException" not in str(error):
                raise
            return (
                f"tables may be made; {storage} is not there yet: a run makes it, which needs "
                "glue:CreateDatabase"
            )
        try:
            catalog.put(storage, table)
        except WarehouseError:
            with suppress(WarehouseError):
                catalog.drop(storage, [name])
            raise
        catalog.drop(storage, [name])
        return "a table was created, changed and dropped"

    def statement(self) -> str:
        name = self._lake.athena.workgroup
        if setup.seen(self._lake.client("athena"), name) is None:
            return f"not tried: there is no workgroup {name} yet"
        self._lake.statements.query("select 1 as one", "check")
        return "a statement ran, and its result was read"


def _key(key: str) -> str:
    return f"the KMS key {key}" if key else "the bucket's key"
