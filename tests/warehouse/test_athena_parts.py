"""Parts of the Athena warehouse that need neither AWS nor the stand."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from engagement.aws.errors import AwsError
from engagement.aws.glue import hive_type, trino_type
from engagement.aws.s3 import Address
from engagement.settings import ROOT, Athena, Databases, SettingsError, load_settings
from engagement.warehouse import WarehouseError
from engagement.warehouse.athena.json_sql import json_path
from engagement.warehouse.athena.warehouse import AthenaWarehouse


def test_the_annotated_example_is_valid() -> None:
    settings = load_settings("params/athena.yaml")
    assert settings.warehouse.engine == "athena"
    assert settings.warehouse.athena is not None
    assert settings.warehouse.athena.workgroup == "engagement"


_KEY = re.compile(r"^( *)(# )?([a-z_]+|[A-Z]{3}):(?: |$)")


def test_every_key_of_the_example_has_a_comment_and_every_key_of_athena_stands_in_it() -> None:
    lines = (ROOT / "params/athena.yaml").read_text(encoding="utf-8").splitlines()
    # Sections, and what their own comment is about as a whole.
    plain = {"landing", "warehouse", "athena", "run", "currency", "traffic", "engine"}
    plain |= {"to", "USD", "GBP"}
    found = set()
    for before, line in itertools.pairwise(lines):
        if match := _KEY.match(line):
            found.add(match[3])
            # A key that is commented out stands under the comment about it.
            assert before.lstrip().startswith("#") or match[3] in plain, line
    assert found >= Athena.model_fields.keys()
    assert found >= {"keep_runs", *Databases.model_fields}


def test_athena_needs_its_section_and_a_landing_in_s3() -> None:
    with pytest.raises(SettingsError, match="needs a section 'athena'"):
        load_settings("params/local.yaml", {"warehouse.engine": "athena"})
    athena = {"region": "eu-central-1", "data_location": "s3://lake-of-tests/data/"}
    with pytest.raises(SettingsError, match="Athena reads s3:// addresses"):
        load_settings(
            "params/local.yaml", {"warehouse.engine": "athena", "warehouse.athena": athena}
        )


@pytest.mark.parametrize(
    ("athena", "glue"),
    [
        ("varchar", "string"),
        ("integer", "int"),
        ("timestamp(3)", "timestamp"),
        ("decimal(18,2)", "decimal(18,2)"),
        ("array(varchar)", "array<string>"),
    ],
)
def test_types_go_to_the_catalog_and_back(athena: str, glue: str) -> None:
    assert hive_type(athena) == glue
    assert trino_type(glue) == athena


def test_a_texts_length_is_no_type_of_its_own() -> None:
    assert trino_type("varchar(5)") == "varchar"


def test_every_key_of_a_path_is_quoted() -> None:
    keys = ("a b", 'say "x"', "back\\slash", "it's")
    assert json_path(keys, ".y") == """'lax $."a b"."say ""x\"""."back\\slash"."it''s".y'"""


def test_an_address_has_a_bucket_and_a_key() -> None:
    assert Address.parse("s3://lake/data", folder=True) == Address("lake", "data/")
    assert str(Address.parse("s3://lake/") / "x") == "s3://lake/x"
    with pytest.raises(AwsError, match="an address such as"):
        Address.parse("/data/lake")


def test_a_profile_that_there_is_not_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    warehouse = AthenaWarehouse(load_settings("params/athena.yaml"))
    with pytest.raises(WarehouseError, match=r"no-such-profile.*Check AWS_PROFILE"):
        warehouse.landing_files()
    [finding] = warehouse.findings()
    assert (finding.name, finding.ok) == ("AWS identity", False)
    assert "no-such-profile" in finding.found
