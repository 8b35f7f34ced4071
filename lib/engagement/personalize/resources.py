"""Resources of Amazon Personalize: each is found, compared, made or changed, and waited for.

Every ``ensure_…`` function leaves what is as it should be, makes what is missing, changes what can
be changed, and makes again what had failed. It raises the service's own reason where something
fails, and refuses what carries another name's tag: that is somebody else's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engagement.aws.glue import OWNER
from engagement.aws.service_model import Later
from engagement.aws.waiting import WaitedTooLongError, wait_until
from engagement.personalize import resource_types
from engagement.personalize.resource_types import ResourceType
from engagement.personalize.service import Caller, RefusedCallError, SetupError, find
from engagement.privacy import masked

SERVICE = "personalize"


@dataclass(frozen=True)
class Billable:
    """A step that costs: what it is, what is billed, and how much of a quota is used."""

    what: str
    cost: str
    quota: str = ""

    def __str__(self) -> str:
        parts = [f"{self.what}: {self.cost}"]
        return ". ".join([*parts, self.quota] if self.quota else parts)


@dataclass
class Setup:
    """What all functions here need.

    Parameters
    ----------
    consent
        Asked before each step that costs; where it says no, nothing more is made.
    tell
        Told what is done, in a line.
    seconds, pause
        How long something may take, and the first pause between two looks.
    """

    caller: Caller
    project: str
    consent: Callable[[Billable], bool] = lambda _: False
    tell: Callable[[str], None] = lambda _: None
    seconds: float = 6 * 3600.0
    pause: float = 5.0
    is_role_new: bool = False
    """Whether the role was made a moment ago: other services take some seconds to know it."""
    changes: list[str] = field(default_factory=list)
    """What was made, changed or removed: empty after a run that found all as it should be."""
    billed: list[Billable] = field(default_factory=list)
    """What costs of all that was asked about, or in a plan would be."""

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tag of everything that is made."""
        return [{"tagKey": OWNER, "tagValue": self.project}]

    def changed(self, what: str) -> None:
        """Remember that something was changed, and say it."""
        self.changes.append(what)
        self.tell(what)


@dataclass(frozen=True)
class Wanted:
    """A resource as it should be.

    ``parameters`` are those of its ``create_…`` call without name and tags, ``scope`` the ARN that
    its listing is limited to.
    """

    kind: ResourceType
    name: str
    parameters: Mapping[str, Any]
    scope: str | None = None
    billable: Billable | None = None
    why: str = ""


def ensure(setup: Setup, wanted: Wanted) -> Mapping[str, Any]:
    """See that a resource is there and active; gives its description.

    Raises
    ------
    SetupError
        With the service's reason, or what is in the way.
    """
    return ensure_all(setup, [wanted])[0]


def ensure_all(setup: Setup, all_wanted: Sequence[Wanted]) -> list[Mapping[str, Any]]:
    """See that resources are there that do not need each other: begun one by one, awaited together.

    Raises
    ------
    SetupError
        For the first one that fails; what was begun goes on, and the next run finds it.
    """
    begun = [(wanted, _begin(setup, wanted)) for wanted in all_wanted]
    return [_awaited(setup, wanted.kind, arn, changed=changed) for wanted, (arn, changed) in begun]


def _begin(setup: Setup, wanted: Wanted) -> tuple[str, bool]:
    """Make or change a resource where that is needed; gives its ARN, and whether it was changed."""
    kind, name = wanted.kind, wanted.name
    found = look_up(setup, kind, name, wanted.scope)
    number = 1
    while found is not None and _failure(found):
        _check_owner(setup, kind, found)
        # What has failed stays so: it makes room where it can, else another takes its place.
        if kind.deletable:
            remove(setup, kind, found)
            found = None
        else:
            number += 1
            name = f"{wanted.name[:60]}-{number}"
            found = look_up(setup, kind, name, wanted.scope)
    if found is not None and not setup.caller.is_plan:
        found = _settled(setup, kind, found)
    if found is not None:
        _check_owner(setup, kind, found)
        differing = [
            key
            for key in kind.compared
            if key in wanted.parameters and not fits(wanted.parameters[key], found.get(key))
        ]
        if not differing:
            return _arn(kind, found), False
        if not kind.replaced:
            return _update(setup, wanted, found, differing), True
        remove(setup, kind, found)
    return _create(setup, wanted, name), False


def _create(setup: Setup, wanted: Wanted, name: str) -> str:
    kind = wanted.kind
    if wanted.billable is not None:
        _ask(setup, wanted.billable, f"the {kind.label} {name}")
    parameters = {kind.name: name, **wanted.parameters}
    if kind.taggable:
        parameters["tags"] = setup.tags
    answer = _made(setup, wanted, parameters)
    setup.changed(f"{kind.label} {name}: made")
    arn: str = answer[kind.arn]
    return arn


def _made(setup: Setup, wanted: Wanted, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Make a resource; where it needs a role that is new, try until the role is known."""
    method = f"create_{wanted.kind.noun}"

    def look() -> Mapping[str, Any] | None:
        try:
            return setup.caller.call(SERVICE, method, why=wanted.why, **parameters)
        except RefusedCallError as error:
            is_unknown = error.code == "InvalidInputException" and "role" in str(error).lower()
            if not (setup.is_role_new and is_unknown) or time.monotonic() > last:
                raise
            return None

    last = time.monotonic() + _ROLE_SECONDS
    answer: Mapping[str, Any] = _wait(setup, look, "the new role to be known")
    return answer


_ROLE_SECONDS = 60.0


def _arn(kind: ResourceType, found: Mapping[str, Any]) -> str:
    arn: str = found[kind.arn]
    return arn


def _update(
    setup: Setup, wanted: Wanted, found: Mapping[str, Any], differing: Sequence[str]
) -> str:
    kind: ResourceType = wanted.kind
    arn: str = found[kind.arn]
    fixed = [key for key in differing if key not in kind.updated]
    if fixed:
        raise SetupError(
            f"the {kind.label} {wanted.name} is there with another {', '.join(fixed)}, which "
            "cannot be changed: give the dataset group another name (personalize.group), or "
            "remove what is there with 'engagement personalize down'"
        )
    changes = {key: wanted.parameters[key] for key in kind.updated if key in wanted.parameters}
    if (
        kind is resource_types.SOLUTION
        and (config := changes.pop("solutionConfig", None)) is not None
    ):
        changes["solutionUpdateConfig"] = {
            key: config[key] for key in ("autoTrainingConfig", "eventsConfig") if key in config
        }
    if wanted.billable is not None:
        _ask(setup, wanted.billable, f"a change of the {kind.label} {wanted.name}")
    setup.caller.call(SERVICE, f"update_{kind.noun}", why=wanted.why, **{kind.arn: arn}, **changes)
    setup.changed(f"{kind.label} {wanted.name}: changed ({', '.join(differing)})")
    return arn


def _ask(setup: Setup, billable: Billable, what: str) -> None:
    setup.billed.append(billable)
    if not setup.caller.is_plan and not setup.consent(billable):
        raise SetupError(
            f"stopped before {what}, which costs: no yes was given. Nothing more was made; what "
            "there is stays, and 'engagement personalize down' removes it"
        )


def fits(wanted: Any, found: Any) -> bool:
    """Whether something found is as it is wanted; members that nobody asked for may be anything.

    A schema's text is compared by what it says.
    """
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            fits(value, found.get(key)) for key, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(found, list):  # in any order
        return len(wanted) == len(found) and all(any(fits(w, f) for f in found) for w in wanted)
    if isinstance(wanted, bool):
        return wanted == bool(found)
    if isinstance(wanted, str) and isinstance(found, str) and wanted.lstrip().startswith("{"):
        return bool(json.loads(wanted) == json.loads(found))
    return bool(wanted == found)


def look_up(
    setup: Setup, kind: ResourceType, name: str, scope: str | None
) -> Mapping[str, Any] | None:
    """A resource of a name, described; ``None`` where there is none."""
    for item in listing(setup.caller, kind, scope):
        if kind.named_in_list and item.get(kind.name) != name:
            continue
        found = describe(setup.caller, kind, str(item[kind.arn]))
        if found is not None and found.get(kind.name) == name:
            return found
    return None


def listing(caller: Caller, kind: ResourceType, scope: str | None) -> Iterator[Mapping[str, Any]]:
    """All resources of a kind, in a scope, page after page."""
    parameters: dict[str, Any] = {} if kind.scope is None else {kind.scope: scope}
    while True:
        answer = caller.call(SERVICE, kind.lists, **parameters)
        yield from answer.get(kind.listed, [])
        if not answer.get("nextToken"):
            return
        parameters["nextToken"] = answer["nextToken"]


def describe(caller: Caller, kind: ResourceType, arn: str) -> Mapping[str, Any] | None:
    """A resource's description; ``None`` where it is gone."""
    answer = find(caller, SERVICE, f"describe_{kind.noun}", **{kind.arn: arn})
    found: Mapping[str, Any] | None = None if answer is None else answer[kind.body]
    return found


def _failure(found: Mapping[str, Any]) -> str | None:
    """Why a resource failed; ``None`` where it did not."""
    if "FAILED" not in str(found.get("status", "")):
        return None
    return masked(str(found.get("failureReason") or "without a reason"))


def _settled(
    setup: Setup, kind: ResourceType, found: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """A resource once nothing is under way; ``None`` where it was being deleted, and is gone."""
    arn = str(found[kind.arn])

    def look() -> tuple[Mapping[str, Any] | None] | None:
        now = describe(setup.caller, kind, arn)
        return None if now is not None and _is_moving(kind, now) else (now,)

    if not _is_moving(kind, found):
        return found
    now: Mapping[str, Any] | None
    (now,) = _wait(setup, look, f"the {kind.label} {found.get(kind.name)} to be settled")
    return now


def _is_moving(kind: ResourceType, found: Mapping[str, Any]) -> bool:
    """Whether something is under way: neither active nor failed."""
    states = [str(found.get("status", ""))] if kind.has_status else []
    if kind.latest and found.get(kind.latest):
        states.append(str(found[kind.latest].get("status", "")))
    return any(state not in _SETTLED and "FAILED" not in state for state in states)


_SETTLED = ("ACTIVE", "INACTIVE")


def _awaited(
    setup: Setup, kind: ResourceType, arn: str, *, changed: bool = False
) -> Mapping[str, Any]:
    """Wait until a resource is active, and a change that was just made of it, too.

    Raises
    ------
    SetupError
        With the service's reason where it fails, or when the deadline has passed.
    """

    def look() -> Mapping[str, Any] | None:
        found = describe(setup.caller, kind, arn)
        if found is None:
            raise SetupError(f"the {kind.label} {arn.rpartition('/')[2]} is gone")
        reason = _failure(found)
        latest = (found.get(kind.latest) or {}) if kind.latest else {}
        if reason is None and changed:
            reason = _failure(latest)
        if reason is not None:
            raise SetupError(f"the {kind.label} {found.get(kind.name)} failed: {reason}")
        return None if _is_moving(kind, found) else found

    if setup.caller.is_plan:
        found = describe(setup.caller, kind, arn)
        return {**(found or {}), kind.arn: arn}
    active: Mapping[str, Any] = _wait(setup, look, f"the {kind.label} to be active")
    return active


def _wait(setup: Setup, look: Callable[[], Any], what: str) -> Any:
    try:
        return wait_until(look, what, seconds=setup.seconds, pause=setup.pause)
    except WaitedTooLongError as error:
        raise SetupError(f"{error}; run it again to go on waiting") from None


# --- whose it is --------------------------------------------------------------------------------


def is_ours(setup: Setup, kind: ResourceType, arn: str) -> bool:
    """Whether a resource carries this project's tag."""
    if not kind.taggable:
        return False
    answer = find(setup.caller, SERVICE, "list_tags_for_resource", resourceArn=arn)
    return any(tag in setup.tags for tag in (answer or {}).get("tags", []))


def _check_owner(setup: Setup, kind: ResourceType, found: Mapping[str, Any]) -> None:
    if kind.taggable and not is_ours(setup, kind, str(found[kind.arn])):
        raise SetupError(
            f"there is a {kind.label} {found.get(kind.name)} that does not carry this project's "
            f"tag ({OWNER}): take another name (personalize.group), or give it the tag"
        )


# --- removing -----------------------------------------------------------------------------------


def remove(setup: Setup, kind: ResourceType, found: Mapping[str, Any]) -> None:
    """Delete a resource, once nothing is under way with it, and wait until it is gone.

    Raises
    ------
    SetupError
        When the service refuses, or does not finish.
    """
    arn, name = str(found[kind.arn]), found.get(kind.name)
    if not setup.caller.is_plan and _settled(setup, kind, found) is None:
        return
    try:
        setup.caller.call(SERVICE, f"delete_{kind.noun}", **{kind.arn: arn})
    except RefusedCallError as error:
        if error.code != "ResourceNotFoundException":
            raise
    if setup.caller.is_plan:
        return

    def look() -> bool | None:
        now = describe(setup.caller, kind, arn)
        if now is not None and (reason := _failure(now)) and "DELETE" in str(now.get("status")):
            raise SetupError(f"the {kind.label} {name} could not be deleted: {reason}")
        return True if now is None else None

    _wait(setup, look, f"the {kind.label} {name} to be gone")
    setup.changed(f"{kind.label} {name}: removed")


# --- one function for each kind -----------------------------------------------------------------


def ensure_dataset_group(setup: Setup, name: str, domain: str | None) -> str:
    """The dataset group that all else belongs to; a domain's if one is given. Gives its ARN."""
    parameters = {} if domain is None else {"domain": domain}
    why = "holds the data sets and all that is made of them"
    found = ensure(setup, Wanted(resource_types.DATASET_GROUP, name, parameters, why=why))
    if domain is None and found.get("domain"):
        raise SetupError(
            f"the dataset group {name} is one of the domain {found['domain']}: give "
            "personalize.group another name for a custom one"
        )
    arn: str = found["datasetGroupArn"]
    return arn


def ensure_schema(setup: Setup, name: str, text: str, domain: str | None) -> str:
    """A schema, which never changes: another text needs another name. Gives its ARN."""
    parameters = {"schema": text} if domain is None else {"schema": text, "domain": domain}
    why = "the fields of a data set, in the order of its files"
    arn: str = ensure(setup, Wanted(resource_types.SCHEMA, name, parameters, why=why))["schemaArn"]
    return arn


def ensure_dataset(setup: Setup, name: str, group: str, type_: str, schema: str) -> str:
    """A data set of a group; one with another schema gets this one. Gives its ARN."""
    parameters = {"schemaArn": schema, "datasetGroupArn": group, "datasetType": type_}
    wanted = Wanted(
        resource_types.DATASET, name, parameters, scope=group, why=f"the {type_.lower()}"
    )
    arn: str = ensure(setup, wanted)["datasetArn"]
    return arn


def ensure_event_tracker(setup: Setup, name: str, group: str) -> Mapping[str, Any]:
    """The event tracker: its id is what live events are sent with."""
    why = "takes live events"
    return ensure(
        setup, Wanted(resource_types.TRACKER, name, {"datasetGroupArn": group}, group, why=why)
    )


def ensure_metric_attribution(
    setup: Setup,
    name: str,
    group: str,
    metrics: Sequence[Mapping[str, str]],
    output: Mapping[str, Any],
    billable: Billable,
) -> str:
    """The metric attribution: what recommendations brought. Metrics are added and removed."""
    wanted = Wanted(
        resource_types.ATTRIBUTION,
        name,
        {"datasetGroupArn": group, "metrics": list(metrics), "metricsOutputConfig": dict(output)},
        scope=group,
        billable=billable,
        why="measures what recommendations brought",
    )
    arn: str = ensure(setup, wanted)["metricAttributionArn"]
    if isinstance(arn, Later):
        return arn
    answer = setup.caller.call(SERVICE, "list_metric_attribution_metrics", metricAttributionArn=arn)
    there = {metric["metricName"]: metric for metric in answer.get("metrics", [])}
    asked = {metric["metricName"]: dict(metric) for metric in metrics}
    gone = [one for one in there if asked.get(one) != there[one]]
    new = [asked[one] for one in asked if there.get(one) != asked[one]]
    if gone:
        setup.caller.call(
            SERVICE, "update_metric_attribution", metricAttributionArn=arn, removeMetrics=gone
        )
    if gone and new:
        _awaited(setup, resource_types.ATTRIBUTION, arn)
    if new:
        setup.caller.call(
            SERVICE, "update_metric_attribution", metricAttributionArn=arn, addMetrics=new
        )
    if gone or new:
        setup.changed(f"metric attribution {name}: changed")
        _awaited(setup, resource_types.ATTRIBUTION, arn)
    return arn
