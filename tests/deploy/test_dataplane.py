"""The data plane's values and cluster keep the rules for production; each rule can be broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from cfnlint.decode import decode

from tests.deploy.trees import (
    DEPLOY,
    MISSING,
    NAMES_A_SECRET,
    ROLE,
    SECRET,
    SIZE,
    changed,
    get,
    has_resources,
    is_pinned,
    keys_or_secrets,
    leaves,
)

VALUES = yaml.safe_load((DEPLOY / "dataplane/values.yaml").read_text(encoding="utf-8"))
CLUSTER = yaml.safe_load((DEPLOY / "dataplane/cluster.yaml").read_text(encoding="utf-8"))


# --- the chart's values ---------------------------------------------------------------------------


def wrong_values(values: dict[str, Any]) -> list[str]:
    """What breaks a rule, each as the key it is about."""
    return [
        *_images(values),
        *_secrets(values),
        *_entrance(values),
        *_environment(values),
        *_database(values),
        *_sizes(values),
    ]


def _images(values: dict[str, Any]) -> Iterator[str]:
    for path in ("backend.image.version", "transformer.image.version"):
        if not is_pinned(get(values, path)):
            yield f"{path} is not one version"


def _secrets(values: dict[str, Any]) -> Iterator[str]:
    if not values.get("rudderWorkspaceTokenExistingSecret"):
        yield "rudderWorkspaceTokenExistingSecret is missing"
    for path, value in leaves(values):
        literal = value not in (None, "", True, False)
        if literal and SECRET.search(path) and not NAMES_A_SECRET.search(path):
            yield f"{path} is a literal secret"


def _entrance(values: dict[str, Any]) -> Iterator[str]:
    ingress = get(values, "backend.ingress", {})
    notes = ingress.get("annotations") or {}
    alb = "alb.ingress.kubernetes.io/"
    if get(values, "backend.service.type") != "ClusterIP":
        yield "backend.service.type is not ClusterIP"
    if ingress.get("enabled") is not True or not ingress.get("hostname"):
        yield "backend.ingress is not on"
    if ingress.get("tls") is not True:
        yield "backend.ingress.tls is not on"
    if notes.get("kubernetes.io/ingress.class") != "alb":
        yield "backend.ingress is no ALB"
    if not str(notes.get(f"{alb}certificate-arn")).startswith("arn:aws:acm:"):
        yield "backend.ingress has no certificate"
    if yaml.safe_load(str(notes.get(f"{alb}listen-ports"))) != [{"HTTPS": 443}]:
        yield "backend.ingress listens to more than HTTPS"
    if "TLS13" not in str(notes.get(f"{alb}ssl-policy")):
        yield "backend.ingress takes old TLS"
    if notes.get(f"{alb}target-type") != "ip":
        yield "backend.ingress cannot reach a ClusterIP"
    if notes.get(f"{alb}healthcheck-path") != "/health":
        yield "backend.ingress does not ask /health"
    if get(values, "backend.service.targetPort") != 8080:
        yield "backend.service.targetPort is not 8080"


def _environment(values: dict[str, Any]) -> Iterator[str]:
    account = values.get("serviceAccount") or {}
    if account.get("create") is not True or not get(account, "annotations", {}).get(ROLE):
        yield "serviceAccount has no role"
    for part in ("backend", "transformer"):
        names = [one["name"] for one in get(values, f"{part}.extraEnvVars") or []]
        if part == "backend" and not {"CONFIG_PATH", "RUDDER_TMPDIR"} <= set(names):
            yield "backend.extraEnvVars lacks what the chart's list has"
        if part == "backend" and {"name": "JOBS_DB_SSL_MODE", "value": "require"} not in (
            get(values, "backend.extraEnvVars") or []
        ):
            yield "the database is reached without TLS"
        yield from keys_or_secrets(f"{part}.extraEnvVars", get(values, f"{part}.extraEnvVars"))


def _database(values: dict[str, Any]) -> Iterator[str]:
    if get(values, "postgresql.enabled") is not False:
        yield "postgresql is the chart's own"
    if not get(values, "externalDatabase.existingSecret"):
        yield "externalDatabase.existingSecret is missing"
    keys = get(values, "externalDatabase.existingSecretKeys") or {}
    if keys.keys() != {"host", "port", "database", "user", "password"}:
        yield "externalDatabase.existingSecretKeys is not whole"
    if get(values, "global.backendReplicaCount") != 1:
        yield "several servers would share a database"


def _sizes(values: dict[str, Any]) -> Iterator[str]:
    if not SIZE.fullmatch(str(get(values, "backend.persistence.size"))):
        yield "backend.persistence.size is missing"
    if not get(values, "global.storageClass"):
        yield "global.storageClass is missing"
    parts = ["backend", "transformer"]
    if get(values, "telegraf_sidecar.enabled") is not False:
        parts.append("telegraf_sidecar")
    for part in parts:
        if not has_resources(get(values, f"{part}.resources")):
            yield f"{part}.resources is not whole"
    for probe in ("liveness", "readiness"):
        if not get(values, f"transformer.probes.{probe}"):
            yield f"transformer.probes.{probe} is missing"


def test_the_values_keep_every_rule() -> None:
    assert wrong_values(VALUES) == []


ALB = "backend>ingress>annotations>alb.ingress.kubernetes.io/"


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("backend>image>version", "latest", "backend.image.version is not one version"),
        ("backend>image>version", "1-alpine", "backend.image.version is not one version"),
        ("backend>image>version", MISSING, "backend.image.version is not one version"),
        (
            "backend>image>version",
            "RUDDER-SERVER-VERSION",
            "backend.image.version is not one version",
        ),
        ("transformer>image>version", "latest", "transformer.image.version is not one version"),
        ("transformer>image>version", 1.97, "transformer.image.version is not one version"),
        (
            "rudderWorkspaceTokenExistingSecret",
            MISSING,
            "rudderWorkspaceTokenExistingSecret is missing",
        ),
        ("rudderWorkspaceToken", "abc", "rudderWorkspaceToken is a literal secret"),
        (
            "externalDatabase>password",
            "password",
            "externalDatabase.password is a literal secret",
        ),
        (
            "postgresql>postgresqlPassword",
            "password",
            "postgresql.postgresqlPassword is a literal secret",
        ),
        ("backend>service>type", "LoadBalancer", "backend.service.type is not ClusterIP"),
        ("backend>service>targetPort", 80, "backend.service.targetPort is not 8080"),
        ("backend>ingress>enabled", False, "backend.ingress is not on"),
        ("backend>ingress>hostname", "", "backend.ingress is not on"),
        ("backend>ingress>tls", False, "backend.ingress.tls is not on"),
        (
            "backend>ingress>annotations>kubernetes.io/ingress.class",
            "nginx",
            "backend.ingress is no ALB",
        ),
        (f"{ALB}certificate-arn", MISSING, "backend.ingress has no certificate"),
        (
            f"{ALB}listen-ports",
            '[{"HTTP": 80}, {"HTTPS": 443}]',
            "backend.ingress listens to more than HTTPS",
        ),
        (f"{ALB}listen-ports", MISSING, "backend.ingress listens to more than HTTPS"),
        (f"{ALB}ssl-policy", "ELBSecurityPolicy-2016-08", "backend.ingress takes old TLS"),
        (f"{ALB}target-type", "instance", "backend.ingress cannot reach a ClusterIP"),
        (f"{ALB}healthcheck-path", MISSING, "backend.ingress does not ask /health"),
        ("serviceAccount>create", False, "serviceAccount has no role"),
        (f"serviceAccount>annotations>{ROLE}", MISSING, "serviceAccount has no role"),
        ("backend>extraEnvVars>1", MISSING, "backend.extraEnvVars lacks what the chart's list has"),
        ("backend>extraEnvVars>2", MISSING, "backend.extraEnvVars lacks what the chart's list has"),
        ("backend>extraEnvVars>4>value", "disable", "the database is reached without TLS"),
        (
            "backend>extraEnvVars>3",
            {"name": "AWS_ACCESS_KEY_ID", "value": "x"},
            "backend.extraEnvVars has AWS keys",
        ),
        (
            "backend>extraEnvVars>3",
            {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "aws"}}},
            "backend.extraEnvVars has AWS keys",
        ),
        (
            "backend>extraEnvVars>3",
            {"name": "JOBS_DB_PASSWORD", "value": "x"},
            "backend.extraEnvVars has the secret JOBS_DB_PASSWORD",
        ),
        ("postgresql>enabled", True, "postgresql is the chart's own"),
        ("postgresql", MISSING, "postgresql is the chart's own"),
        (
            "externalDatabase>existingSecret",
            MISSING,
            "externalDatabase.existingSecret is missing",
        ),
        (
            "externalDatabase>existingSecretKeys>host",
            MISSING,
            "externalDatabase.existingSecretKeys is not whole",
        ),
        ("global>backendReplicaCount", 2, "several servers would share a database"),
        ("global>storageClass", "", "global.storageClass is missing"),
        ("backend>persistence>size", MISSING, "backend.persistence.size is missing"),
        ("backend>resources>limits", MISSING, "backend.resources is not whole"),
        ("transformer>resources>requests>cpu", MISSING, "transformer.resources is not whole"),
        ("telegraf_sidecar>enabled", True, "telegraf_sidecar.resources is not whole"),
        ("transformer>probes>readiness", MISSING, "transformer.probes.readiness is missing"),
    ],
)
def test_a_broken_rule_is_found(path: str, value: Any, found: str) -> None:
    assert wrong_values(changed(VALUES, path, value)) == [found]


def test_the_charts_own_list_would_be_found() -> None:
    assert wrong_values(changed(VALUES, "backend>extraEnvVars", MISSING)) == [
        "backend.extraEnvVars lacks what the chart's list has",
        "the database is reached without TLS",
    ]


@pytest.mark.parametrize("version", ["1.2.3", "v1.2.3", "1.2.3-rc.1"])
def test_a_pinned_version_is_taken(version: str) -> None:
    assert wrong_values(changed(VALUES, "backend>image>version", version)) == []


def test_the_pair_is_one_that_the_guide_says_where_it_is_from() -> None:
    """RudderStack lists transformers from 1.50.0 on for servers from 1.37 on, 1.97.0 from 1.41."""
    server, transformer = (
        get(VALUES, f"{part}.image.version") for part in ("backend", "transformer")
    )
    guide = (DEPLOY / "dataplane/README.md").read_text(encoding="utf-8")
    assert f"server {server}, transformer {transformer}" in guide
    assert tuple(map(int, server.split("."))) >= (1, 41, 0)
    assert tuple(map(int, transformer.split("."))) >= (1, 97, 0)


# --- the cluster ----------------------------------------------------------------------------------

# Names that eksctl's own schema has at these places; a name that is not there it refuses.
NODES = {
    *("name", "amiFamily", "instanceType", "instanceTypes", "minSize", "maxSize", "spot"),
    *("desiredCapacity", "availabilityZones", "privateNetworking", "volumeType", "volumeSize"),
    *("volumeEncrypted", "volumeKmsKeyID", "disableIMDSv1", "disablePodIMDS", "labels", "tags"),
}
FORM: dict[str, set[str]] = {
    "": {
        *("apiVersion", "kind", "metadata", "vpc", "secretsEncryption", "iam", "addons"),
        *("managedNodeGroups", "cloudWatch", "availabilityZones", "accessConfig"),
    },
    "metadata": {"name", "region", "version", "tags", "annotations"},
    "vpc": {"cidr", "nat", "clusterEndpoints", "publicAccessCIDRs", "id", "subnets"},
    "vpc.nat": {"gateway"},
    "vpc.clusterEndpoints": {"privateAccess", "publicAccess"},
    "secretsEncryption": {"keyARN"},
    "iam": {"withOIDC", "serviceAccounts", "podIdentityAssociations", "serviceRoleARN"},
    "iam.serviceAccounts": {
        *("metadata", "roleName", "roleOnly", "attachPolicyARNs", "attachPolicy"),
        *("wellKnownPolicies", "attachRoleARN", "permissionsBoundary", "tags"),
    },
    "iam.serviceAccounts.metadata": {"name", "namespace", "labels", "annotations"},
    "addons": {"name", "version", "wellKnownPolicies", "attachPolicyARNs", "tags"},
    "managedNodeGroups": NODES,
    "cloudWatch": {"clusterLogging"},
    "cloudWatch.clusterLogging": {"enableTypes", "logRetentionInDays"},
}


def unknown_keys(tree: Any, path: str = "") -> Iterator[str]:
    for one in tree if isinstance(tree, list) else [tree]:
        if path in FORM and not isinstance(one, dict):
            yield f"{path} is no object"
        elif path in FORM:
            yield from (f"{path}.{key} is no key" for key in sorted(one.keys() - FORM[path]))
            for key, value in one.items():
                yield from unknown_keys(value, f"{path}.{key}" if path else key)


def wrong_cluster(cluster: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """What breaks a rule in the ClusterConfig, which has to fit to the chart's values."""
    form = list(unknown_keys(cluster))
    return form or [*_permissions(cluster, values), *_protection(cluster), *_nodes(cluster)]


def _permissions(cluster: dict[str, Any], values: dict[str, Any]) -> Iterator[str]:
    if get(cluster, "iam.withOIDC") is not True:
        yield "iam.withOIDC is off: no IRSA"
    accounts = {get(one, "metadata.name"): one for one in get(cluster, "iam.serviceAccounts") or []}
    own = accounts.get(get(values, "serviceAccount.name"), {})
    if get(own, "metadata.namespace") != "rudderstack" or own.get("roleOnly") is not True:
        yield "the data plane's role is missing"
    role = str(get(values, "serviceAccount.annotations", {}).get(ROLE))
    if not role.endswith(f":role/{own.get('roleName')}"):
        yield "the chart names another role"
    if own.get("attachPolicyARNs") != ["arn:aws:iam::ACCOUNT:policy/RUDDERSTACK-POLICY"]:
        yield "the data plane may more or less than put events"
    if {"attachPolicy", "wellKnownPolicies"} & own.keys():
        yield "the data plane may more or less than put events"
    controller = accounts.get("aws-load-balancer-controller", {})
    if get(controller, "wellKnownPolicies.awsLoadBalancerController") is not True:
        yield "the load-balancer controller has no role"
    drivers = [one for one in cluster.get("addons", []) if one["name"] == "aws-ebs-csi-driver"]
    if [get(one, "wellKnownPolicies.ebsCSIController") for one in drivers] != [True]:
        yield "the EBS driver is missing, or has no role"


def _protection(cluster: dict[str, Any]) -> Iterator[str]:
    if not str(get(cluster, "secretsEncryption.keyARN")).startswith("arn:aws:kms:"):
        yield "secrets are not encrypted"
    if get(cluster, "vpc.nat.gateway") != "HighlyAvailable":
        yield "one NAT gateway for all zones"
    if get(cluster, "vpc.clusterEndpoints.privateAccess") is not True:
        yield "nodes reach the API by the internet"
    addresses = get(cluster, "vpc.publicAccessCIDRs") or ["0.0.0.0/0"]
    if get(cluster, "vpc.clusterEndpoints.publicAccess") is not False and any(
        str(one).endswith("/0") for one in addresses
    ):
        yield "everybody reaches the API"
    if not {"api", "audit"} <= set(get(cluster, "cloudWatch.clusterLogging.enableTypes") or []):
        yield "there is no audit log"


def _nodes(cluster: dict[str, Any]) -> Iterator[str]:
    version = str(get(cluster, "metadata.version"))
    if not re.fullmatch(r"1\.\d\d|KUBERNETES-VERSION", version):
        yield "metadata.version is missing"
    groups = cluster.get("managedNodeGroups") or [{}]
    for group in groups:
        for key in ("volumeEncrypted", "disableIMDSv1", "disablePodIMDS", "privateNetworking"):
            if group.get(key) is not True:
                yield f"managedNodeGroups: {key} is off"
        if group.get("minSize", 0) < 3:
            yield "managedNodeGroups: a zone may be without a node"


def test_the_cluster_keeps_every_rule() -> None:
    assert wrong_cluster(CLUSTER, VALUES) == []
    assert (CLUSTER["apiVersion"], CLUSTER["kind"]) == ("eksctl.io/v1alpha5", "ClusterConfig")


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("nodeGroup", [], ".nodeGroup is no key"),
        ("vpc>publicAccessCidrs", [], "vpc.publicAccessCidrs is no key"),
        (
            "managedNodeGroups>0>encrypted",
            True,
            "managedNodeGroups.encrypted is no key",
        ),
        ("iam>withOIDC", MISSING, "iam.withOIDC is off: no IRSA"),
        ("iam>serviceAccounts>0>roleOnly", MISSING, "the data plane's role is missing"),
        (
            "iam>serviceAccounts>0>metadata>namespace",
            "default",
            "the data plane's role is missing",
        ),
        ("iam>serviceAccounts>0>roleName", "other", "the chart names another role"),
        (
            "iam>serviceAccounts>0>attachPolicyARNs>0",
            "arn:aws:iam::aws:policy/AdministratorAccess",
            "the data plane may more or less than put events",
        ),
        (
            "iam>serviceAccounts>0>wellKnownPolicies",
            {"autoScaler": True},
            "the data plane may more or less than put events",
        ),
        (
            "iam>serviceAccounts>1>wellKnownPolicies",
            {},
            "the load-balancer controller has no role",
        ),
        ("addons>3>wellKnownPolicies", MISSING, "the EBS driver is missing, or has no role"),
        ("addons>3", MISSING, "the EBS driver is missing, or has no role"),
        ("secretsEncryption", MISSING, "secrets are not encrypted"),
        ("vpc>nat>gateway", "Single", "one NAT gateway for all zones"),
        ("vpc>clusterEndpoints>privateAccess", False, "nodes reach the API by the internet"),
        ("vpc>publicAccessCIDRs", MISSING, "everybody reaches the API"),
        ("vpc>publicAccessCIDRs", ["0.0.0.0/0"], "everybody reaches the API"),
        ("cloudWatch", MISSING, "there is no audit log"),
        ("metadata>version", MISSING, "metadata.version is missing"),
        (
            "managedNodeGroups>0>volumeEncrypted",
            MISSING,
            "managedNodeGroups: volumeEncrypted is off",
        ),
        (
            "managedNodeGroups>0>disableIMDSv1",
            False,
            "managedNodeGroups: disableIMDSv1 is off",
        ),
        (
            "managedNodeGroups>0>disablePodIMDS",
            False,
            "managedNodeGroups: disablePodIMDS is off",
        ),
        (
            "managedNodeGroups>0>privateNetworking",
            False,
            "managedNodeGroups: privateNetworking is off",
        ),
        ("managedNodeGroups>0>minSize", 2, "managedNodeGroups: a zone may be without a node"),
    ],
)
def test_a_broken_rule_of_the_cluster_is_found(path: str, value: Any, found: str) -> None:
    assert wrong_cluster(changed(CLUSTER, path, value), VALUES) == [found]


def test_the_role_gets_the_policy_that_the_firehose_stack_gives() -> None:
    template, problems = decode(str(DEPLOY / "firehose/template.yaml"))
    assert problems == []
    assert template["Outputs"]["RudderStackPolicyArn"]["Value"] == {"Ref": "RudderStackPolicy"}
    document = template["Resources"]["RudderStackPolicy"]["Properties"]["PolicyDocument"]
    (allowed,) = document["Statement"]
    assert allowed["Action"] == ["firehose:PutRecord", "firehose:PutRecordBatch"]


def unexplained(text: str) -> set[str]:
    """Placeholders in a file's lines that no comment of the file names."""
    comments = re.findall(r"#.*", text)
    body = re.sub(r"#.*", "", text)
    found = re.findall(r"\b[A-Z]+(?:-[A-Z]+)+\b|\b(?:ACCOUNT|REGION|CERTIFICATE)\b", body)
    return {name for name in found if not any(name in comment for comment in comments)}


@pytest.mark.parametrize("name", ["values.yaml", "cluster.yaml"])
def test_every_placeholder_says_where_its_value_is_found(name: str) -> None:
    text = (DEPLOY / "dataplane" / name).read_text(encoding="utf-8")
    assert unexplained(text) == set()
    assert unexplained(text + "\nx: NEW-PLACE\n") == {"NEW-PLACE"}
    assert not re.search(r"\b\d{12}\b", text)
