"""Firehose's delivery to S3 by a template's own expressions, which moto does not evaluate.

Moto's CloudFormation skips delivery streams and Glue databases, and its Firehose writes records as
they come, under the prefix as a text. Here both are resources of a stack, and records that are put
are taken apart, filed by the jq query, given the delimiter and packed, as the stream's properties
say. Files are written at once: buffering is the one thing that is left out.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import jq
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.firehose.models import FirehoseBackend, firehose_backends
from moto.glue.models import glue_backends
from moto.moto_api._internal import mock_random
from moto.s3.models import s3_backends

_OTHERS = ("s3", "redshift", "elasticsearch", "splunk", "http_endpoint", "snowflake", "iceberg")


class DeliveryStreamResource(CloudFormationModel):
    """``AWS::KinesisFirehose::DeliveryStream`` of a stack."""

    def __init__(self, name: str, arn: str) -> None:
        self.name, self.arn = name, arn

    @property
    def physical_resource_id(self) -> str:
        return self.name

    @staticmethod
    def cloudformation_name_type() -> str:
        return "DeliveryStreamName"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::KinesisFirehose::DeliveryStream"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        assert attribute_name == "Arn"
        return self.arn

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **kwargs: Any,
    ) -> DeliveryStreamResource:
        given = cloudformation_json["Properties"]
        arn = firehose_backends[account_id][region_name].create_delivery_stream(
            region=region_name,
            delivery_stream_name=resource_name,
            delivery_stream_type=given["DeliveryStreamType"],
            extended_s3_destination_configuration=given["ExtendedS3DestinationConfiguration"],
            tags=given.get("Tags", []),
            **{f"{other}_destination_configuration": {} for other in _OTHERS},
            kinesis_stream_source_configuration={},
            delivery_stream_encryption_configuration_input={},
        )
        return cls(resource_name, arn)

    @classmethod
    def delete_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> None:
        firehose_backends[account_id][region_name].delete_delivery_stream(resource_name)


class GlueDatabaseResource(CloudFormationModel):
    """``AWS::Glue::Database`` of a stack."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def physical_resource_id(self) -> str:
        return self.name

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Glue::Database"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **kwargs: Any,
    ) -> GlueDatabaseResource:
        wanted = cloudformation_json["Properties"]["DatabaseInput"]
        glue_backends[account_id][region_name].create_database(wanted["Name"], wanted, {})
        return cls(wanted["Name"])

    @classmethod
    def delete_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> None:
        glue_backends[account_id][region_name].delete_database(resource_name)


@contextmanager
def delivering() -> Iterator[None]:
    """Let stacks have these resources, and records be delivered as streams say."""
    for cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cached.cache_clear()
    with mock.patch.object(FirehoseBackend, "put_s3_records", _put):
        yield


def _put(
    backend: FirehoseBackend,
    delivery_stream_name: str,
    version_id: str,
    s3_destination: dict[str, Any],
    records: list[dict[str, bytes]],
) -> list[dict[str, str]]:
    bucket = s3_destination["BucketARN"].split(":")[-1]
    put = s3_backends[backend.account_id][backend.partition].put_object
    now = datetime.now(UTC)
    for key, content in _delivered(delivery_stream_name, s3_destination, records, now):
        put(bucket, key, content)
    return [{"RecordId": str(mock_random.uuid4())} for _ in records]


def _delivered(
    stream: str, destination: dict[str, Any], records: list[dict[str, bytes]], now: datetime
) -> Iterator[tuple[str, bytes]]:
    """Objects, by key, that a stream makes of the records that were put at once."""
    steps = {
        one["Type"]: {p["ParameterName"]: p["ParameterValue"] for p in one.get("Parameters", [])}
        for one in destination["ProcessingConfiguration"]["Processors"]
    }
    query = jq.compile(steps["MetadataExtraction"]["MetadataExtractionQuery"])
    delimiter = steps["AppendDelimiterToRecord"]["Delimiter"].replace("\\n", "\n").encode()
    files: dict[str, list[bytes]] = defaultdict(list)
    for record in records:
        content = record["Data"]
        try:
            keys = query.input_value(json.loads(content)).first()
            assert all(isinstance(value, str) and value for value in keys.values())
        except (ValueError, AssertionError):
            failed = {"rawData": content.decode("utf-8", "replace"), "errorCode": "metadata"}
            prefix = destination["ErrorOutputPrefix"].replace(
                "!{firehose:error-output-type}", "metadata-extraction-failed"
            )
            files[_dated(prefix, now)].append(json.dumps(failed).encode() + b"\n")
            continue
        prefix = re.sub(
            r"!\{partitionKeyFromQuery:(\w+)\}",
            lambda found: str(keys[found[1]]),  # noqa: B023 (used at once)
            destination["Prefix"],
        )
        files[prefix].append(content + delimiter)
    for prefix, lines in files.items():
        name = f"{stream}-1-{now:%Y-%m-%d-%H-%M-%S}-{mock_random.uuid4()}"
        is_error = prefix.startswith(destination["ErrorOutputPrefix"].partition("!")[0])
        packed = destination["CompressionFormat"] == "GZIP" and not is_error
        content = b"".join(lines)
        if packed:
            yield f"{prefix}{name}{destination.get('FileExtension', '.gz')}", gzip.compress(content)
        else:
            yield prefix + name, content


def _dated(prefix: str, now: datetime) -> str:
    return prefix.replace("!{timestamp:yyyy-MM-dd}", f"{now:%Y-%m-%d}")
