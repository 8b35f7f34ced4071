"""What the chart makes of the data plane's values: valid objects that keep the rules.

The chart is not part of this project. Where ``RUDDERSTACK_CHART`` names its folder and ``helm`` is
there, it is rendered; the rules themselves are tried on objects that are written here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deploy.trees import (
    DEPLOY,
    MISSING,
    ROLE,
    changed,
    get,
    has_resources,
    is_pinned,
    keys_or_secrets,
)

VALUES = DEPLOY / "dataplane/values.yaml"


def valid(manifest: dict[str, Any]) -> list[str]:
    try:
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{manifest.get('kind')}: {error.message}"]
    return []


def wrong_objects(manifests: list[dict[str, Any]]) -> list[str]:
    """What breaks a rule in rendered objects, whatever the values seemed to say."""
    found = []
    kinds = [one["kind"] for one in manifests]
    for manifest in manifests:
        kind, spec = manifest["kind"], manifest.get("spec", {})
        if kind == "Service" and spec.get("type") in ("LoadBalancer", "NodePort"):
            found.append("a Service is open to the outside")
        if kind == "Ingress" and not spec.get("tls"):
            found.append("the Ingress has no TLS")
        if kind == "ServiceAccount" and ROLE not in get(manifest, "metadata.annotations", {}):
            found.append("the ServiceAccount has no role")
        if kind in ("StatefulSet", "Deployment"):
            found += _wrong_pod(spec["template"]["spec"], kind)
        for claim in spec.get("volumeClaimTemplates", []):
            if not get(claim, "spec.resources.requests.storage"):
                found.append("a volume has no size")
    for kind in ("Ingress", "ServiceAccount", "StatefulSet"):
        if kinds.count(kind) != 1:
            found.append(f"{kind}: {kinds.count(kind)} objects")
    return found


def _wrong_pod(pod: dict[str, Any], kind: str) -> Iterator[str]:
    if kind == "StatefulSet" and not pod.get("serviceAccountName"):
        yield "the server runs without its service account"
    for container in pod["containers"]:
        if not is_pinned(container["image"].rpartition(":")[2]):
            yield "an image has no version"
        for probe in ("livenessProbe", "readinessProbe"):
            if get(container, f"{probe}.httpGet.path") != "/health":
                yield f"a container has no {probe}"
        if not has_resources(container.get("resources")):
            yield "a container has no requests or limits"
        yield from keys_or_secrets("a container", container.get("env"))


def server() -> list[dict[str, Any]]:
    """Objects as a chart might make them: enough to break every rule."""
    probe = {"httpGet": {"path": "/health", "port": 8080}}
    size = {"cpu": "1", "memory": "1Gi"}
    container = {
        "name": "backend",
        "image": "rudderlabs/rudder-server:1.2.3",
        "livenessProbe": probe,
        "readinessProbe": probe,
        "resources": {"requests": size, "limits": size},
        "env": [
            {
                "name": "JOBS_DB_PASSWORD",
                "valueFrom": {"secretKeyRef": {"name": "rudderstack-database", "key": "password"}},
            }
        ],
    }
    labels = {"app": "rudderstack"}
    port = {"service": {"name": "rudderstack", "port": {"number": 80}}}
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "name": "rudderstack",
                "annotations": {ROLE: "arn:aws:iam::ACCOUNT:role/r"},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "rudderstack"},
            "spec": {"type": "ClusterIP", "ports": [{"port": 80, "targetPort": 8080}]},
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "rudderstack"},
            "spec": {"tls": [{"hosts": ["events.example"]}], "defaultBackend": port},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "rudderstack"},
            "spec": {
                "serviceName": "rudderstack",
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"serviceAccountName": "rudderstack", "containers": [container]},
                },
                "volumeClaimTemplates": [
                    {
                        "metadata": {"name": "data"},
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "resources": {"requests": {"storage": "100Gi"}},
                        },
                    }
                ],
            },
        },
    ]


def test_good_objects_break_no_rule_and_are_valid() -> None:
    assert wrong_objects(server()) == []
    assert [problem for one in server() for problem in valid(one)] == []


POD = "3>spec>template>spec"
CONTAINER = f"{POD}>containers>0"


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (f"0>metadata>annotations>{ROLE}", MISSING, "the ServiceAccount has no role"),
        ("1>spec>type", "LoadBalancer", "a Service is open to the outside"),
        ("2>spec>tls", MISSING, "the Ingress has no TLS"),
        ("2", MISSING, "Ingress: 0 objects"),
        (f"{POD}>serviceAccountName", MISSING, "the server runs without its service account"),
        (f"{CONTAINER}>image", "rudderlabs/rudder-server:latest", "an image has no version"),
        (f"{CONTAINER}>image", "rudderlabs/rudder-server", "an image has no version"),
        (f"{CONTAINER}>readinessProbe", MISSING, "a container has no readinessProbe"),
        (f"{CONTAINER}>resources>limits", MISSING, "a container has no requests or limits"),
        (
            f"{CONTAINER}>env>0",
            {"name": "JOBS_DB_PASSWORD", "value": "password"},
            "a container has the secret JOBS_DB_PASSWORD",
        ),
        (
            f"{CONTAINER}>env>0",
            {"name": "AWS_ACCESS_KEY_ID", "value": ""},
            "a container has AWS keys",
        ),
        ("3>spec>volumeClaimTemplates>0>spec>resources", {}, "a volume has no size"),
    ],
)
def test_a_broken_rule_of_the_objects_is_found(path: str, value: Any, found: str) -> None:
    assert wrong_objects(changed(server(), path, value)) == [found]


def test_the_storage_class_is_valid_and_encrypted() -> None:
    text = (DEPLOY / "dataplane/storageclass.yaml").read_text(encoding="utf-8")
    storage = yaml.safe_load(text)
    assert valid(storage) == []
    assert f"storageClass: {storage['metadata']['name']}\n" in VALUES.read_text(encoding="utf-8")
    assert storage["provisioner"] == "ebs.csi.aws.com"
    assert storage["parameters"] == {"type": "gp3", "encrypted": "true"}
    assert valid(changed(storage, "allowVolumeExpansion", "yes please")) != []


CHART, HELM = os.environ.get("RUDDERSTACK_CHART"), shutil.which("helm")


@pytest.mark.skipif(CHART is None, reason="RUDDERSTACK_CHART names no chart's folder")
@pytest.mark.skipif(HELM is None, reason="there is no helm")
def test_what_the_chart_makes_of_the_values_is_valid_and_keeps_the_rules() -> None:
    command = [str(HELM), "template", "rudderstack", str(CHART), "--namespace", "rudderstack"]
    command += ["--values", str(VALUES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    manifests = [one for one in yaml.safe_load_all(done.stdout) if one]
    assert len(manifests) > 5
    assert [problem for one in manifests for problem in valid(one)] == []
    checked = [
        one for one in manifests if "helm.sh/hook" not in get(one, "metadata.annotations", {})
    ]
    assert wrong_objects(checked) == []
