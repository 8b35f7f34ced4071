"""A team's models and seeds beside the package's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engagement.models import authoring, definition, folders, inputs, seed_files, settings_seeds
from engagement.models.definition import ModelError
from engagement.project import PACKAGE
from engagement.settings import Settings, load_settings

OWN = {
    "customer/regions_own.sql": "select s.region, count(*) as people\n"
    "from marts.customer_360 as c\ninner join seeds.regions as s on c.country = s.country\n"
    "group by s.region\n",
    "customer/regions_own.yml": "description: Ours.\ngrain: one region\nkey: [region]\ncolumns:\n"
    "  region: {type: varchar, description: A region.}\n"
    "  people: {type: bigint, description: People., unit: people}\n",
}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folders of models and seeds."""
    monkeypatch.setattr(folders, "OWN_MODELS", tmp_path / "models")
    for module in (folders, seed_files, settings_seeds):
        monkeypatch.setattr(module, "OWN_SEEDS", tmp_path / "seeds")
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds/regions.csv").write_text("country:varchar,region:varchar\nDE,Europe\n")
    definition._layer.cache_clear()
    definition._document.cache_clear()
    return tmp_path


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    yield
    definition._layer.cache_clear()
    definition._document.cache_clear()


def write(own: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (own / "models" / name).parent.mkdir(parents=True, exist_ok=True)
        (own / "models" / name).write_text(text)


def test_a_model_of_the_teams_is_one_more_of_its_layer(own: Path) -> None:
    before = set(definition.models())
    definition._layer.cache_clear()
    write(own, OWN)
    found = definition.models(["customer"])
    assert found["regions_own"].needs == {"customer_360"}
    assert set(definition.models()) == before | {"regions_own"}
    assert definition.model("regions_own").layer == "customer"
    assert authoring.mistakes("regions_own") == []
    assert definition.documented("regions_own") == {"region": "varchar", "people": "bigint"}


def test_a_layer_of_the_teams_own(own: Path) -> None:
    write(own, {name.replace("customer/", "ours/"): text for name, text in OWN.items()})
    assert list(definition.models(["ours"])) == ["regions_own"]


@pytest.mark.parametrize("layer", ["commerce", "ours"])
def test_a_name_of_the_packages_stands_for_the_teams_model(own: Path, layer: str) -> None:
    packaged = definition.models()
    definition._layer.cache_clear()
    definition._document.cache_clear()
    there = PACKAGE / "models/sql/commerce"
    sql = f"-- Ours.\n{(there / 'orders.sql').read_text(encoding='utf-8')}"
    document = (there / "orders.yml").read_text(encoding="utf-8")
    document = f"description: Ours.\n{document[document.index('grain:') :]}"
    write(own, {f"{layer}/orders.sql": sql, f"{layer}/orders.yml": document})
    found = definition.models()
    assert found.keys() == packaged.keys()
    assert found["orders"].layer == layer
    assert found["orders"].document.description == "Ours."
    assert "orders" in definition.models([layer])
    assert ("orders" in definition.models(["commerce"])) == (layer == "commerce")
    assert found["orders"].sql.startswith("-- Ours.")
    assert "order_id" in (definition.documented("orders") or {})


def test_the_parts_of_a_model_of_the_packages_are_still_there(own: Path) -> None:
    """The loop of the identity map is in files of other names."""
    write(own, {**OWN, "people/regions_own.txt": "notes"})
    assert set(definition.models(["people"])["identity_map"].loop) == {"seed", "step", "changed"}


def test_a_query_without_its_yaml_says_where_to_write_it(own: Path) -> None:
    write(own, {"customer/regions_own.sql": OWN["customer/regions_own.sql"]})
    with pytest.raises(ModelError, match=r"regions_own\.sql: its YAML is missing"):
        definition.models(["customer"])
    [problem] = authoring.mistakes("regions_own")
    assert str(own / "models/customer/regions_own.yml") in problem


def test_the_packages_files_are_as_ever_without_a_folder(tmp_path: Path) -> None:
    del tmp_path
    assert all(layer.own is None for layer in folders.layers())
    assert {layer.name for layer in folders.layers()} >= {"people", "commerce", "dashboards"}


def seeds(own: Path, name: str, text: str) -> Settings:
    (own / "seeds" / name).write_text(text)
    return load_settings("params/local.yaml")


def test_a_seed_of_the_teams_own_has_types_in_its_header(own: Path) -> None:
    assert inputs.columns(definition.Table("seeds", "regions")) == {
        "country": "varchar",
        "region": "varchar",
    }
    assert "regions" in seed_files.names()
    settings = seeds(own, "stores.csv", "store:varchar,size:bigint,open:boolean\na,3,true\nb,,\n")
    settings_seeds.check(settings)
    columns, rows = seed_files.rows("stores", seed_files.own_text("stores", own / "seeds"))
    assert columns == {"store": "varchar", "size": "bigint", "open": "boolean"}
    assert rows == [["a", 3, True], ["b", None, None]]
    # One that is a list of keys.
    settings_seeds.check(seeds(own, "countries_we_ship_to.csv", "country:varchar\nDE\nFR\n"))
    text = seed_files.own_text("countries_we_ship_to", own / "seeds")
    assert seed_files.rows("countries_we_ship_to", text)[1] == [["DE"], ["FR"]]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("stores.csv", "store,size\na,3\n", "there is no such table"),
        ("stores.csv", "store:varchar,size:text\na,3\n", "there is no such table"),
        ("stores.csv", "store:varchar,size:bigint\na,big\n", "size is a whole number"),
        ("stores.csv", "store:varchar,size:bigint\na,1\na,2\n", "also in line 2"),
        ("stores.csv", "store:varchar,size:bigint\n,1\n", "store is empty"),
        ("click_idz.csv", "parameter,source\n", "did you mean click_ids.csv?"),
    ],
)
def test_a_seed_that_cannot_be_used_is_told_with_its_line(
    own: Path, name: str, text: str, expected: str
) -> None:
    settings = seeds(own, name, text)
    with pytest.raises(Exception, match=expected):
        settings_seeds.check(settings)


def test_rows_for_a_seed_of_the_packages_need_no_setting(own: Path) -> None:
    settings = seeds(own, "consent_words.csv", "word:varchar,is_yes:boolean\nyup,true\n")
    settings_seeds.check(settings)
    query = inputs._seed("consent_words", settings).sql()
    assert "yup" in query
