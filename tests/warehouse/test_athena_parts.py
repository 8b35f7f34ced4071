"""Parts of the Athena warehouse that need neither AWS nor the stand."""

from __future__ import annotations

import pytest

from engagement.settings import SettingsError, load_settings
from engagement.warehouse import WarehouseError
from engagement.warehouse.athena_json import json_path
from engagement.warehouse.glue import hive_type, trino_type
from engagement.warehouse.s3 import Address


def test_the_annotated_example_is_valid() -> None:
    settings = load_settings("params/athena.yaml")
    assert settings.warehouse.engine == "athena"
    assert settings.warehouse.athena is not None
    assert settings.warehouse.athena.workgroup == "engagement"


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
    assert json_path(("a b", 'say "x"', "back\\slash")) == r'$["a b"]["say \"x\""]["back\\slash"]'


def test_an_address_has_a_bucket_and_a_key() -> None:
    assert Address.parse("s3://lake/data", folder=True) == Address("lake", "data/")
    assert str(Address.parse("s3://lake/") / "x") == "s3://lake/x"
    with pytest.raises(WarehouseError, match="an address such as"):
        Address.parse("/data/lake")
