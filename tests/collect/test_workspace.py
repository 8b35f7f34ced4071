"""The data plane's configuration: what the template and the workbook's own destinations become."""

from __future__ import annotations

import json
import re
import stat
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engagement.cli import app
from engagement.cli.workspace import TEMPLATE
from engagement.collect.workspace import WorkspaceError, read_template, render
from engagement.settings import ROOT

SMALL: dict[str, Any] = {
    "workspaceId": "${WORKSPACE_ID}",
    "sources": [
        {
            "id": "js",
            "name": "Browser",
            "writeKey": "${WRITE_KEY}",
            "sourceDefinition": {"name": "Javascript"},
            "destinations": ["stream", "live"],
        },
        {
            "id": "py",
            "name": "Server",
            "writeKey": "${OTHER_KEY}",
            "sourceDefinition": {"name": "Python"},
            "destinations": ["stream"],
        },
    ],
    "destinations": {
        "stream": {"name": "Stream", "definition": "FIREHOSE", "config": {"to": "${STREAM}"}}
    },
    "destinationDefinitions": {"FIREHOSE": {"config": {}}, "PERSONALIZE": {"config": {}}},
}
LIVE: dict[str, Any] = {
    "name": "Live",
    "config": {"iamRoleARN": "env.LIVE_ROLE", "rules": [{"from": "product_id", "to": "ITEM_ID"}]},
    "destinationDefinition": {"name": "PERSONALIZE"},
}


def test_each_source_gets_the_destinations_it_names() -> None:
    made = render(SMALL, {"live": [LIVE]}, {"STREAM": "events"})
    document = json.loads(made.text)
    assert document.keys() == {"workspaceId", "sources"}
    browser, server = document["sources"]
    stream = {
        "id": "stream",
        "name": "Stream",
        "enabled": True,
        "deleted": False,
        "workspaceId": "${WORKSPACE_ID}",
        "isProcessorEnabled": True,
        "destinationDefinition": {"id": "FIREHOSE", "name": "FIREHOSE", "config": {}},
        "config": {"to": "events"},
        "transformations": [],
    }
    assert server["destinations"] == [stream]
    assert browser["destinations"][0] == stream
    assert browser["destinations"][1]["config"] == {
        "iamRoleARN": "${LIVE_ROLE}",
        "rules": [{"from": "product_id", "to": "ITEM_ID"}],
    }
    assert [browser[key] for key in ("enabled", "writeKey")] == [True, "${WRITE_KEY}"]
    assert made.sources == ("Browser", "Server")
    assert made.destinations == ("Stream", "Live")
    assert made.missing == ("LIVE_ROLE", "OTHER_KEY", "WORKSPACE_ID", "WRITE_KEY")


def test_several_destinations_of_a_kind_have_ids_of_their_own() -> None:
    made = render(SMALL, {"live": [LIVE, {**LIVE, "name": "Users"}]}, {})
    browser = json.loads(made.text)["sources"][0]
    assert [one["id"] for one in browser["destinations"]] == ["stream", "live-1", "live-2"]


def test_what_is_left_out_takes_its_placeholders_along() -> None:
    made = render(SMALL, {"live": [LIVE]}, {}, known={"STREAM": "x"}, without=["stream"])
    assert made.destinations == ("Live",)
    assert "STREAM" not in made.missing


def test_a_value_given_by_hand_goes_before_that_of_the_parameters() -> None:
    made = render(SMALL, {"live": [LIVE]}, {"STREAM": "mine"}, known={"STREAM": "theirs"})
    assert '"to": "mine"' in made.text


def test_a_value_stays_text_whatever_it_holds() -> None:
    made = render(SMALL, {"live": [LIVE]}, {"STREAM": 'a"b\\1 ${WRITE_KEY}'})
    stream = json.loads(made.text)["sources"][1]["destinations"][0]
    assert stream["config"]["to"] == 'a"b\\1 ${WRITE_KEY}'


def changed(path: str, value: Any) -> dict[str, Any]:
    """The small template with one thing put elsewhere."""
    template = deepcopy(SMALL)
    at: Any = template
    *keys, last = [int(key) if key.isdecimal() else key for key in path.split(".")]
    for key in keys:
        at = at[key]
    at[last] = value
    return template


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("sources", [], "sources: write a list of objects"),
        ("sources.0.writeKey", "", r"sources\.1: writeKey is missing"),
        ("sources.0.destinations", ["sink"], "source js: there is no destination 'sink'"),
        ("sources.0.destinations", "live", "source js: write a list"),
        ("sources.1.id", "js", "two sources have the same id"),
        ("sources.1.writeKey", "${WRITE_KEY}", "two sources have the same writeKey"),
        ("destinations.stream.definition", "FIRE", "destinationDefinitions has no 'FIRE'"),
        ("destinations.stream.config", None, r"destinations\.stream: name and config"),
        ("destinations.live", {}, r"destinations\.live is made from its own parameters"),
        ("destinations.stream.config.password", "hunter2", "password: write a placeholder"),
        ("destinations.stream.config.accessKeyID", "x", "accessKeyID: write a placeholder"),
        ("destinations.stream.config.accessKey", "${A}b", "accessKey: write a placeholder"),
        ("destinations.stream.config.to", "AKIA" + 16 * "X", "to: this looks like a secret"),
        ("destinations.stream.config.to", "postgres://me:pw@host/x", "looks like a secret"),
        ("destinations.stream.config.to", "-----BEGIN PRIVATE KEY-----", "looks like a secret"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(path: str, value: Any, text: str) -> None:
    with pytest.raises(WorkspaceError, match=text) as error:
        render(changed(path, value), {"live": [LIVE]}, {})
    assert "hunter2" not in str(error.value)


def test_a_secret_may_be_a_placeholder_or_blank_and_stays_one() -> None:
    template = changed("destinations.stream.config.password", "${REDSHIFT_PASSWORD}")
    template["destinations"]["stream"]["config"]["accessKey"] = ""
    assert "REDSHIFT_PASSWORD" in render(template, {"live": [LIVE]}, {}).missing
    with pytest.raises(WorkspaceError, match="REDSHIFT_PASSWORD: secrets are not written") as error:
        render(template, {"live": [LIVE]}, {"REDSHIFT_PASSWORD": "hunter2"})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("values", "without", "text"),
    [
        ({"STREEM": "x"}, [], "there is no placeholder STREEM"),
        ({"OTHER_KEY": "k", "WRITE_KEY": "k"}, [], "the same writeKey"),
        ({"STREAM": "AKIA" + 16 * "X"}, [], "looks like a secret"),
        ({}, ["streem"], "--without: there is no destination 'streem'"),
    ],
)
def test_values_that_do_not_fit_are_refused(
    values: dict[str, str], without: list[str], text: str
) -> None:
    with pytest.raises(WorkspaceError, match=text):
        render(SMALL, {"live": [LIVE]}, values, without=without)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_file_that_is_no_template_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(WorkspaceError, match=r"t\.json"):
        read_template(tmp_path / "t.json")


# --- the project's own template, as the command renders it ----------------------------------------

STREAM = [
    "--set",
    "collect.firehose.stream=shop-events",
    "--set",
    "collect.firehose.region=eu-west-1",
]


def rendered(out: Path, *arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["workspace", "--out", str(out), *STREAM, *arguments])
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return document


def test_the_command_writes_sources_with_all_destinations(tmp_path: Path) -> None:
    out = tmp_path / "workspaceConfig.json"
    document = rendered(out, "--fill", "WRITE_KEY_NODE=node-key")
    assert [source["sourceDefinition"]["name"] for source in document["sources"]] == [
        "Javascript",
        "Node",
        "Python",
    ]
    assert [source["writeKey"] for source in document["sources"]] == [
        "${WRITE_KEY_JAVASCRIPT}",
        "node-key",
        "${WRITE_KEY_PYTHON}",
    ]
    for source in document["sources"]:
        firehose, personalize, redshift = source["destinations"]
        assert firehose["config"] == {
            "region": "eu-west-1",
            "roleBasedAuth": False,
            "mapEvents": [{"from": "*", "to": "shop-events"}],
        }
        # params/personalize_mapping.yaml has one rule, for put_events.
        assert personalize["destinationDefinition"]["name"] == "PERSONALIZE"
        assert personalize["config"] == {
            "roleBasedAuth": True,
            "iamRoleARN": "${PERSONALIZE_ROLE_ARN}",
            "region": "${PERSONALIZE_REGION}",
            "eventChoice": "PutEvents",
            "customMappings": [{"from": "product_id", "to": "ITEM_ID"}],
            "disableStringify": False,
            "trackingId": "${PERSONALIZE_TRACKING_ID}",
        }
        assert redshift["destinationDefinition"]["name"] == "RS"
        assert redshift["config"]["useIAMForAuth"] is True
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_the_mapping_of_the_parameters_is_what_is_rendered(tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        "put_events: {mapping: [{from: sku, to: ITEM_ID}]}\n"
        "put_users: {mapping: [{from: plan, to: MEMBERSHIP}]}\n"
    )
    document = rendered(
        tmp_path / "w.json",
        *("--set", f"personalize.live.mapping={mapping}", "--without", "redshift"),
    )
    _, events, users = document["sources"][0]["destinations"]
    assert events["config"]["customMappings"] == [{"from": "sku", "to": "ITEM_ID"}]
    assert users["config"]["eventChoice"] == "PutUsers"
    assert users["config"]["datasetARN"] == "${PERSONALIZE_USERS_DATASET}"
    assert {events["id"], users["id"]} == {"personalize-1", "personalize-2"}


def test_it_is_the_same_file_again_and_says_what_is_left(tmp_path: Path) -> None:
    out = tmp_path / "w.json"
    rendered(out)
    before = out.read_bytes()
    done = CliRunner().invoke(app, ["workspace", "--out", str(out), *STREAM])
    assert out.read_bytes() == before
    assert "3 sources and 3 destinations written" in done.output
    left = re.findall(r"^  ([A-Z_]+)$", done.output, re.MULTILINE)
    assert left == sorted(set(re.findall(r"\$\{([A-Z_]+)\}", before.decode())))
    assert "WORKSPACE_ID" in left
    assert "FIREHOSE_STREAM" not in left


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--fill", "WORKSPACE_ID"], "--fill WORKSPACE_ID: write NAME=VALUE"),
        (["--fill", "NOBODY=1"], "there is no placeholder NOBODY"),
        (["--without", "s3"], "there is no destination 's3'"),
        (["--template", "nowhere.json"], "nowhere.json cannot be used"),
    ],
)
def test_wrong_input_writes_nothing(tmp_path: Path, arguments: list[str], text: str) -> None:
    out = tmp_path / "w.json"
    done = CliRunner().invoke(app, ["workspace", "--out", str(out), *arguments])
    assert done.exit_code in (1, 2)
    assert text in done.output
    assert not out.exists()


def test_the_template_itself_holds_no_value_of_an_account() -> None:
    text = (ROOT / TEMPLATE).read_text(encoding="utf-8")
    assert not re.search(r"\b\d{12}\b|\barn:aws", text)
