"""The call that moves a table's pointer: it names the version that it replaces."""

# ruff: noqa: N803 (the names are those of the AWS calls)
from __future__ import annotations

import copy
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engagement.aws.errors import AwsError
from engagement.aws.glue import PARQUET, Catalog, external_table


class Glue:
    """Tables by name, each with its version, as Glue keeps them."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str | None]] = []
        self.has_database = True
        self.made_again = False

    def _refuse(self, code: str) -> ClientError:
        return ClientError({"Error": {"Code": code, "Message": code}}, "call")

    def get_table(self, DatabaseName: str, Name: str) -> dict[str, Any]:
        del DatabaseName
        if Name not in self.tables:
            raise self._refuse("EntityNotFoundException")
        return {"Table": copy.deepcopy(self.tables[Name])}

    def create_table(self, DatabaseName: str, TableInput: dict[str, Any]) -> None:
        del DatabaseName
        self.calls.append(("create", None))
        if not self.has_database:
            raise self._refuse("EntityNotFoundException")
        if TableInput["Name"] in self.tables:
            raise self._refuse("AlreadyExistsException")
        self.tables[TableInput["Name"]] = {**copy.deepcopy(TableInput), "VersionId": "0"}
        self._answer(lambda: self.create_table("d", TableInput))

    def update_table(
        self,
        DatabaseName: str,
        TableInput: dict[str, Any],
        SkipArchive: bool,
        VersionId: str | None = None,
    ) -> None:
        del DatabaseName
        assert SkipArchive
        self.calls.append(("update", VersionId))
        before = self.tables.get(TableInput["Name"])
        if before is None:
            raise self._refuse("EntityNotFoundException")
        if VersionId is not None and before["VersionId"] != VersionId:
            raise self._refuse("ConcurrentModificationException")
        version = str(int(before["VersionId"]) + 1)
        self.tables[TableInput["Name"]] = {**copy.deepcopy(TableInput), "VersionId": version}
        self._answer(lambda: self.update_table("d", TableInput, SkipArchive, VersionId))

    def _answer(self, call: Any) -> None:
        """Lose the answer once: the library makes the same call again."""
        if self.made_again:
            self.made_again = False
            call()


def table(at: str) -> dict[str, Any]:
    return external_table("t", f"s3://lake/{at}/", {"n": "bigint"}, PARQUET)


@pytest.fixture
def glue() -> Glue:
    return Glue()


@pytest.fixture
def catalog(glue: Glue) -> Catalog:
    return Catalog(glue, "project")


def _at(glue: Glue) -> str:
    return str(glue.tables["t"]["StorageDescriptor"]["Location"])


def test_an_update_names_the_version_that_was_seen(glue: Glue, catalog: Catalog) -> None:
    catalog.put("d", table("one"))
    catalog.put("d", table("two"))
    seen = catalog.table("d", "t")
    catalog.put("d", table("three"), seen=seen)
    assert glue.calls == [("create", None), ("update", "0"), ("update", "1")]
    assert _at(glue) == "s3://lake/three/"


def test_what_somebody_else_has_changed_meanwhile_is_left_as_it_is(
    glue: Glue, catalog: Catalog
) -> None:
    catalog.put("d", table("one"))
    seen = catalog.table("d", "t")
    catalog.put("d", table("theirs"))
    with pytest.raises(AwsError, match="was changed by somebody else meanwhile"):
        catalog.put("d", table("ours"), seen=seen)
    with pytest.raises(AwsError, match="was changed by somebody else meanwhile"):
        catalog.put("d", table("ours"), is_new=True)
    assert _at(glue) == "s3://lake/theirs/"


def test_an_answer_that_was_lost_is_no_change_by_others(glue: Glue, catalog: Catalog) -> None:
    glue.made_again = True
    catalog.put("d", table("one"), is_new=True)
    glue.made_again = True
    catalog.put("d", table("two"), seen=catalog.table("d", "t"))
    assert _at(glue) == "s3://lake/two/"
    assert [name for name, _ in glue.calls] == ["create", "create", "update", "update"]


def test_a_table_that_is_gone_is_made_again(glue: Glue, catalog: Catalog) -> None:
    catalog.put("d", table("one"))
    seen = catalog.table("d", "t")
    del glue.tables["t"]
    catalog.put("d", table("two"), seen=seen)
    assert _at(glue) == "s3://lake/two/"


def test_without_a_database_there_is_one_message(glue: Glue, catalog: Catalog) -> None:
    glue.has_database = False
    with pytest.raises(AwsError, match=r"cannot be made.*EntityNotFoundException"):
        catalog.put("d", table("one"))
    assert glue.calls == [("create", None)]
