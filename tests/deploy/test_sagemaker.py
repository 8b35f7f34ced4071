"""SageMaker: image and scripts linted and run, the night's machine walked, its calls checked."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from cfnlint.api import lint_file
from cfnlint.decode import decode

from tests.deploy.states import TaskFailedError, Walk, next_states, walk
from tests.deploy.trees import DEPLOY

SAGEMAKER = DEPLOY / "sagemaker"
DOCKERFILE = SAGEMAKER / "Dockerfile"
SCRIPTS = sorted(SAGEMAKER.glob("*.sh"))
TEMPLATE, PROBLEMS = decode(str(SAGEMAKER / "schedule.yaml"))
TOOLS = Path(sys.executable).parent
ROOT = DEPLOY.parent


def _lint(tool: str, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(TOOLS / tool), *words], input=text, capture_output=True, text=True, check=False
    )


# --- the image ------------------------------------------------------------------------------------


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    done = _lint("hadolint", str(DOCKERFILE))
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_finds_a_base_that_moves() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    done = _lint("hadolint", "-", text=text.replace("python:3.11.14-slim-bookworm", "python"))
    assert "DL3006" in done.stdout


def wrong_in_image(text: str) -> list[str]:
    """What breaks Studio's rules for images of JupyterLab spaces; they are in the file's head."""
    lines = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text)).splitlines()
    words = [line.split() for line in lines if line.strip()]
    found = []
    users = [one[1] for one in words if one[0] == "USER"]
    if users[-1:] != ["1000:100"]:
        found.append("the last user is not 1000:100")
    if not any("useradd" in one and _after(one, "--uid") == "1000" for one in words):
        found.append("there is no user 1000")
    if not any("useradd" in one and _after(one, "--gid") == "100" for one in words):
        found.append("the user's group is not 100")
    if any(one[0] in ("ENTRYPOINT", "CMD") for one in words):
        found.append("the entry point is in the image, where Unified Studio allows none")
    for one in words:
        if one[0] in ("COPY", "ADD") and one[-1].startswith(("/home/sagemaker-user", "~")):
            found.append("something lies under the space's volume")
        if one[0] in ("COPY", "ADD", "WORKDIR") and one[-1].startswith(
            ("/opt/ml", "/opt/.sagemakerinternal", "/var/log/studio")
        ):
            found.append("something lies in a folder of SageMaker's")
        if one[0] == "ADD":
            found.append("ADD may fetch from anywhere")
        if one[0] == "ENV" and re.search(r"(?i)secret|password|token|access_key", " ".join(one)):
            found.append("a secret is in the image")
    if [one[1] for one in words if one[0] == "WORKDIR"][-1:] != ["/home/sagemaker-user"]:
        found.append("the working folder is not the space's volume")
    if not any("sagemaker-headless-execution-driver==" in " ".join(one) for one in words):
        found.append("there is no driver for notebook jobs")
    if not any("ipykernel install" in " ".join(one) for one in words):
        found.append("there is no kernel")
    return found


def _after(words: list[str], option: str) -> str | None:
    return words[words.index(option) + 1] if option in words else None


def test_the_image_keeps_studios_rules() -> None:
    assert wrong_in_image(DOCKERFILE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("USER 1000:100", "USER root", "the last user is not 1000:100"),
        ("--uid 1000", "--uid 1001", "there is no user 1000"),
        ("--gid 100 ", "--gid 1000 ", "the user's group is not 100"),
        ("USER 1000", 'CMD ["jupyter"]\nUSER 1000', "the entry point is in the image, where"),
        ("WORKDIR /opt/engagement", "WORKDIR /opt/ml/x", "something lies in a folder of Sage"),
        ("requirements.lock ./", "x /home/sagemaker-user/x", "something lies under the space's"),
        ("PYTHONUNBUFFERED=1", "A=1 AWS_SECRET_ACCESS_KEY=x", "a secret is in the image"),
        ("sagemaker-headless-execution-driver==0.0.13", "pip", "there is no driver for notebook"),
        ("WORKDIR /home/sagemaker-user", "WORKDIR /", "the working folder is not the space's"),
        ("-m ipykernel install", "-m pip install", "there is no kernel"),
    ],
)
def test_each_rule_can_be_broken(old: str, new: str, found: str) -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert old in text
    assert any(one.startswith(found) for one in wrong_in_image(text.replace(old, new)))


def test_what_the_image_copies_is_there_and_nothing_private_goes_along() -> None:
    """A line of the ignore file that begins with ! lets something in; the rest stays out."""
    lines = (SAGEMAKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    assert lines[0] == "*"
    let_in = [line[1:] for line in lines if line.startswith("!")]
    assert all((ROOT / path).exists() for path in let_in)
    assert not {"runs", "warehouse", ".venv", ".git", "."} & set(let_in)
    for path in re.findall(r"COPY .*?(\S+) \S+$", DOCKERFILE.read_text(), flags=re.MULTILINE):
        assert path == "." or any(path == one or path.startswith(f"{one}/") for one in let_in)


def test_sudo_does_what_the_driver_and_the_job_ask_for_and_nothing_else() -> None:
    text = (SAGEMAKER / "sudoers").read_text(encoding="utf-8")
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(rules) == 3
    for rule in rules:
        assert re.fullmatch(
            r"sagemaker-user ALL=\(root\) NOPASSWD: /usr/bin/(chown -R 1000\\:100|chmod -R 777)"
            r"( (/opt/ml/[a-z/]+|/tmp))+",
            rule,
        )
    job = (SAGEMAKER / "job.sh").read_text(encoding="utf-8")
    asked = re.findall(r"sudo -n (.+)", job)
    assert [one.replace("1000:100", "1000\\:100") in text for one in asked] == [True]


def test_app_image_config_matches_the_image() -> None:
    config = json.loads((SAGEMAKER / "app-image-config.json").read_text(encoding="utf-8"))
    assert _mistakes("CreateAppImageConfig", config) == ""
    files = config["JupyterLabAppImageConfig"]["FileSystemConfig"]
    assert files == {"MountPath": "/home/sagemaker-user", "DefaultUid": 1000, "DefaultGid": 100}
    container = config["JupyterLabAppImageConfig"]["ContainerConfig"]
    assert "--ServerApp.base_url=/jupyterlab/default" in container["ContainerArguments"]
    assert "--port=8888" in container["ContainerArguments"]


# --- scripts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(path: Path) -> None:
    done = _lint("shellcheck", str(path))
    assert (done.returncode, done.stdout) == (0, "")
    assert os.access(path, os.X_OK)


def test_shellcheck_finds_a_variable_without_quotes() -> None:
    done = _lint("shellcheck", "-", text='#!/bin/bash\nfolder="$1"\nrm -rf $folder\n')
    assert "SC2086" in done.stdout


def test_the_lifecycle_script_is_short_enough() -> None:
    """SageMaker takes 16,384 characters, of the script in base64."""
    import base64

    assert len(base64.b64encode((SAGEMAKER / "lifecycle.sh").read_bytes())) <= 16_384


def _program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/bash\n{text}", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A space's volume with the project on it, and stand-ins for conda and git."""
    project = tmp_path / "volume/engagement"
    project.mkdir(parents=True)
    for name in ("requirements.lock", "environment.yml"):
        shutil.copy(ROOT / name, project / name)
    # conda makes an environment whose Python only notes what it was asked for.
    python = f'echo "python $*" >> {tmp_path}/asked'
    _program(
        tmp_path / "bin",
        "conda",
        f'echo "conda $*" >> {tmp_path}/asked\n'
        'while [[ "$1" != --prefix ]]; do shift; done\n'
        f'mkdir -p "$2/bin"; printf \'#!/bin/bash\\n{python}\\n\' > "$2/bin/python"\n'
        'chmod +x "$2/bin/python"\n',
    )
    _program(
        tmp_path / "bin",
        "git",
        f'echo "git $*" >> {tmp_path}/asked\nmkdir -p "${{@: -1}}"\n'
        f'cp {ROOT}/requirements.lock {ROOT}/environment.yml "${{@: -1}}"\n',
    )
    return tmp_path / "volume"


def _lifecycle(volume: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SAGEMAKER / "lifecycle.sh"), *words],
        env={
            "PATH": f"{volume.parent / 'bin'}:{os.environ['PATH']}",
            "ENGAGEMENT_VOLUME": str(volume),
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _asked(volume: Path) -> list[str]:
    path = volume.parent / "asked"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def test_the_environment_is_made_once_and_again_when_the_lock_changes(volume: Path) -> None:
    assert _lifecycle(volume, "--wait").returncode == 0
    first = _asked(volume)
    assert first[0].startswith("conda create --yes --quiet --prefix ")
    assert "python=3.11" in first[0]
    assert [line.split()[2:4] for line in first[1:]] == [
        ["pip", "install"],
        ["pip", "install"],
        ["ipykernel", "install"],
    ]
    assert _lifecycle(volume, "--wait").returncode == 0
    assert [line.split()[2] for line in _asked(volume)[len(first) :]] == ["ipykernel"]
    with (volume / "engagement/requirements.lock").open("a", encoding="utf-8") as lock:
        lock.write("one-more==1.0\n")
    assert _lifecycle(volume, "--wait").returncode == 0
    assert sum(line.startswith("conda") for line in _asked(volume)) == 2


def test_the_script_itself_ends_at_once(volume: Path) -> None:
    """Five minutes are not enough to install; what it does it says in a file."""
    done = _lifecycle(volume)
    assert done.returncode == 0
    log = volume / "engagement-setup.log"
    assert str(log) in done.stdout
    deadline = time.monotonic() + 30
    while "ready" not in log.read_text(encoding="utf-8") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert log.read_text(encoding="utf-8").splitlines()[-1] == "ready"


def test_the_project_comes_from_git_or_it_says_what_is_missing(volume: Path) -> None:
    shutil.rmtree(volume / "engagement")
    done = _lifecycle(volume, "--wait")
    assert done.returncode != 0
    assert "ENGAGEMENT_SOURCE" in done.stdout
    assert _asked(volume) == []
    address = "https://git.example/engagement.git"
    assert _lifecycle(volume, "--wait", ENGAGEMENT_SOURCE=address).returncode == 0
    assert _asked(volume)[0] == f"git clone --depth 1 -- {address} {volume}/engagement"


def _job(folder: Path, program: str, *words: str) -> subprocess.Popen[str]:
    for name in ("processing/output", "output"):
        (folder / "ml" / name).mkdir(parents=True)
    _program(folder, "engagement", program)
    return subprocess.Popen(
        [str(SAGEMAKER / "job.sh"), *words],
        env={
            "PATH": os.environ["PATH"],
            "ENGAGEMENT_ML": str(folder / "ml"),
            "ENGAGEMENT_COMMAND": str(folder / "engagement"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_job_runs_the_workbook_where_sagemaker_uploads_from(tmp_path: Path) -> None:
    job = _job(tmp_path, 'echo "$@"', "--params", "a b.yaml", "--set", "x=$y")
    printed, complained = job.communicate(timeout=30)
    where = f"run.directory={tmp_path}/ml/processing/output/runs"
    assert printed == f"run --set {where} --params a b.yaml --set x=$y\n"
    assert (job.returncode, complained) == (0, "")
    assert not (tmp_path / "ml/output/message").exists()


@pytest.mark.parametrize("code", [1, 2])
def test_a_job_that_fails_shows_the_workbooks_error(tmp_path: Path, code: int) -> None:
    job = _job(tmp_path, f'echo "error: 03 stopped" >&2; exit {code}')
    _, complained = job.communicate(timeout=30)
    assert job.returncode == code
    assert complained == "error: 03 stopped\n"
    assert (tmp_path / "ml/output/message").read_text(encoding="utf-8") == complained


def test_a_jobs_message_has_a_kilobyte(tmp_path: Path) -> None:
    job = _job(tmp_path, 'printf "x%.0s" {1..3000} >&2; echo end >&2; exit 1')
    job.communicate(timeout=30)
    message = (tmp_path / "ml/output/message").read_text(encoding="utf-8")
    assert len(message) == 1000
    assert message.endswith("xend\n")


def test_a_job_that_is_stopped_lets_the_run_end(tmp_path: Path) -> None:
    ends = f"trap 'sleep 0.5; echo ended > {tmp_path}/said; exit 1' TERM"
    job = _job(tmp_path, f"{ends}\ntouch {tmp_path}/begun\nfor i in {{1..300}}; do sleep 0.1; done")
    deadline = time.monotonic() + 30
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=60)
    assert (tmp_path / "said").read_text(encoding="utf-8") == "ended\n"
    assert job.returncode == 1


# --- calls ----------------------------------------------------------------------------------------


def _mistakes(operation: str, request: Mapping[str, Any]) -> str:
    """What botocore's own model of SageMaker says to a request."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model(operation).input_shape
    report: str = ParamValidator().validate(dict(request), shape).generate_report()
    return report


def test_the_notebook_job_is_a_call_that_sagemaker_takes() -> None:
    job = json.loads((SAGEMAKER / "notebook-job.json").read_text(encoding="utf-8"))
    assert _mistakes("CreateTrainingJob", job) == ""
    assert _mistakes("CreateTrainingJob", {**job, "Kernel": "x"}) != ""
    # The driver reads these, and stops without them.
    needed = {"SM_JOB_DEF_VERSION", "SM_INPUT_NOTEBOOK_NAME", "SM_OUTPUT_NOTEBOOK_NAME"}
    assert needed | {"SM_KERNEL_NAME"} <= job["Environment"].keys()
    assert job["Environment"]["SM_JOB_DEF_VERSION"] == "1.0"
    channels = [one["ChannelName"] for one in job["InputDataConfig"]]
    assert channels[0] == "sagemaker_headless_execution"
    assert (ROOT / "notebooks" / job["Environment"]["SM_INPUT_NOTEBOOK_NAME"]).is_file()
    assert job["HyperParameters"].keys() == {"params", "overrides"}


# --- the night's machine --------------------------------------------------------------------------

LOOK = "arn:aws:states:::aws-sdk:s3:listObjectsV2"
RUN = "arn:aws:states:::sagemaker:createProcessingJob.sync"
TELL = "arn:aws:states:::sns:publish"

VALUES = {
    "Project": "engagement",
    "LandingBucket": "example-landing",
    "LandingPrefix": "rudderstack/",
    "MinutesAfterMidnight": "45",
    "Tries": "3",
    "ImageUri": "111122223333.dkr.ecr.eu-central-1.amazonaws.com/engagement:1",
    "JobRoleArn": "arn:aws:iam::111122223333:role/engagement-job",
    "ParamsUri": "s3://example-lake/engagement/params/",
    "ParamsFile": "athena.yaml",
    "RunsUri": "s3://example-lake/engagement/runs/",
    "InstanceType": "ml.m5.xlarge",
    "VolumeGigabytes": "50",
    "MostSeconds": "14400",
    "FailuresArn": "arn:aws:sns:eu-central-1:111122223333:engagement-failures",
}


def _definition() -> dict[str, Any]:
    """The machine as CloudFormation makes it: texts put in, inside the quotes that are there."""
    properties = TEMPLATE["Resources"]["Machine"]["Properties"]
    assert properties["DefinitionSubstitutions"].keys() == VALUES.keys()
    text = json.dumps(properties["Definition"])
    for key, value in VALUES.items():
        assert f"${{{key}}}" in text
        text = text.replace(f"${{{key}}}", value)
    assert "${" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def _night(
    given: dict[str, str], looks: list[int] | None = None, run: Callable[[Any], Any] | None = None
) -> Walk:
    """Walk the machine; each look finds so many keys, the last look's answer holds on."""
    looks = looks or [1]
    seen = iter([*looks, *looks[-1:] * 100])
    return walk(
        _definition(),
        given,
        {
            LOOK: lambda _: {"KeyCount": next(seen)},
            RUN: run or (lambda _: {"ProcessingJobStatus": "Completed"}),
            TELL: lambda _: {"MessageId": "1"},
        },
    )


SCHEDULED = {"scheduled": "2026-10-31T00:45:00Z"}


def test_the_template_reads() -> None:
    assert PROBLEMS == []


def test_every_state_is_reached_and_every_next_state_is_there() -> None:
    definition = _definition()
    ways = set(next_states(definition))
    assert {to for _, to in ways} | {definition["StartAt"]} == set(definition["States"])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("States", "FindTheDay", "Next"), None),
        (("States", "LookForTheDay", "Type"), "Tsk"),
        (("States", "HasItLanded", "Choices"), None),
        (("StartAt",), None),
    ],
)
def test_cfn_lint_finds_a_mistake_in_the_machine(
    tmp_path: Path, path: tuple[str, ...], value: Any
) -> None:
    """The linter validates the definition against its schema of the language (E3601)."""
    wrong = copy.deepcopy(json.loads(json.dumps(TEMPLATE)))
    at = wrong["Resources"]["Machine"]["Properties"]["Definition"]
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    template = tmp_path / "schedule.json"
    template.write_text(json.dumps(wrong), encoding="utf-8")
    found = {one.rule.id for one in lint_file(template)}
    assert "E3601" in found


def test_a_night_runs_the_workbook_for_the_day_before() -> None:
    night = _night(SCHEDULED)
    assert night.states == ["FindTheDay", "LookForTheDay", "HasItLanded", "RunTheWorkbook", "Done"]
    look, run = night.calls
    assert look == (
        LOOK,
        {
            "Bucket": "example-landing",
            "Prefix": "rudderstack/received_at_utc_date=2026-10-30/",
            "MaxKeys": 1,
        },
    )
    request = run[1]
    assert request["ProcessingJobName"] == "engagement-2026-10-30-0f1e2d3c"
    assert request["AppSpecification"]["ContainerArguments"] == [
        *("--params", "/opt/ml/processing/input/params/athena.yaml"),
        *("--as-of-at-least", "2026-10-30", "--set", "landing.to=2026-10-30"),
    ]
    assert (SAGEMAKER / Path(*request["AppSpecification"]["ContainerEntrypoint"]).name).is_file()
    assert _mistakes("CreateProcessingJob", request) == ""
    assert request["ProcessingResources"]["ClusterConfig"]["VolumeSizeInGB"] == 50


@pytest.mark.parametrize(
    ("scheduled", "day", "received_to"),
    [
        # 00:45 on the 31st: in UTC, Tokyo (+9), Auckland in summer (+13), Los Angeles in summer
        # (-7), Honolulu (-10).
        ("2026-10-31T00:45:00Z", "2026-10-30", "2026-10-30"),
        ("2026-10-30T15:45:00Z", "2026-10-30", "2026-10-30"),
        ("2026-10-30T11:45:00Z", "2026-10-30", "2026-10-30"),
        ("2026-10-31T07:45:00Z", "2026-10-30", "2026-10-31"),
        ("2026-10-31T10:45:00Z", "2026-10-30", "2026-10-31"),
    ],
)
def test_the_day_is_the_local_one_that_has_just_ended(
    scheduled: str, day: str, received_to: str
) -> None:
    night = _night({"scheduled": scheduled})
    assert night.calls[0][1]["Prefix"].endswith(f"={received_to}/")
    assert night.calls[1][1]["AppSpecification"]["ContainerArguments"][2:] == [
        *("--as-of-at-least", day),
        *("--set", f"landing.to={received_to}"),
    ]


def test_a_day_can_be_named_by_hand() -> None:
    night = _night({"day": "2026-10-07"})
    assert night.calls[0][1]["Prefix"].endswith("=2026-10-07/")
    night = _night({"day": "2026-10-07", "received_to": "2026-10-08"})
    assert night.calls[1][1]["AppSpecification"]["ContainerArguments"][3:] == [
        *("2026-10-07", "--set", "landing.to=2026-10-08"),
    ]


def test_it_waits_until_the_day_has_landed() -> None:
    night = _night(SCHEDULED, looks=[0, 0, 1])
    assert (night.end, night.waited) == ("Done", 600)
    assert [resource for resource, _ in night.calls] == [LOOK, LOOK, LOOK, RUN]


def test_it_gives_up_and_tells() -> None:
    night = _night(SCHEDULED, looks=[0])
    assert [resource for resource, _ in night.calls] == [LOOK, LOOK, LOOK, TELL]
    assert night.calls[-1][1] == {
        "TopicArn": VALUES["FailuresArn"],
        "Subject": "engagement: 2026-10-30 failed",
        "Message": "NothingLanded: nothing has landed of 2026-10-30 in "
        "s3://example-landing/rudderstack/",
    }
    assert (night.end, night.error) == ("Failed", "WorkbookFailed")


def test_a_failed_job_tells_what_the_workbook_said() -> None:
    said = 'error: 03_model_customers stopped in cell 4:\n\n  "x" is missing'

    def fail(_: Any) -> Any:
        job = {"ProcessingJobStatus": "Failed", "FailureReason": "exit 1", "ExitMessage": said}
        raise TaskFailedError("States.TaskFailed", json.dumps(job, separators=(",", ":")))

    night = _night(SCHEDULED, run=fail)
    assert night.calls[-1][1]["Message"] == said
    assert night.end == "Failed"


@pytest.mark.parametrize("cause", ["the account has no such machine", '{"FailureReason": "x"}'])
def test_a_job_that_never_began_tells_why(cause: str) -> None:
    def fail(_: Any) -> Any:
        raise TaskFailedError("SageMaker.ResourceLimitExceededException", cause)

    night = _night(SCHEDULED, run=fail)
    assert night.calls[-1][1]["Message"] == f"SageMaker.ResourceLimitExceededException: {cause}"


# --- roles ----------------------------------------------------------------------------------------


def _statements(role: str) -> dict[str, Any]:
    policies = TEMPLATE["Resources"][role]["Properties"]["Policies"]
    return {
        one["Sid"]: one
        for policy in policies
        for one in policy["PolicyDocument"]["Statement"]
        if "Sid" in one
    }


@pytest.mark.parametrize("role", ["JobRole", "MachineRole", "ScheduleRole"])
def test_roles_grant_named_actions_on_named_resources(role: str) -> None:
    """What knows no resources is listed by name."""
    anything = (
        {"SignInToTheRegistry", "WriteTheLog"} if role != "JobRole" else {"SignInToTheRegistry"}
    )
    properties = TEMPLATE["Resources"][role]["Properties"]
    trust = properties["AssumeRolePolicyDocument"]["Statement"]
    assert [one["Condition"] for one in trust] == [
        {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    ]
    for policy in properties["Policies"]:
        for one in policy["PolicyDocument"]["Statement"]:
            actions = [one["Action"]] if isinstance(one["Action"], str) else one["Action"]
            assert not [action for action in actions if "*" in action]
            if one["Resource"] == "*":
                assert one["Sid"] in anything


def test_the_machine_may_do_what_it_does() -> None:
    """One permission for each of its tasks; the role that it passes goes to SageMaker alone."""
    allowed = {
        action
        for one in _statements("MachineRole").values()
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }
    assert {"s3:ListBucket", "sagemaker:CreateProcessingJob", "sns:Publish"} <= allowed
    # .sync asks how the job is, stops it with the execution, and hears of its end by a rule.
    assert {
        *("sagemaker:DescribeProcessingJob", "sagemaker:StopProcessingJob", "sagemaker:AddTags"),
        *("events:PutRule", "events:PutTargets", "events:DescribeRule"),
    } <= allowed
    passing = _statements("MachineRole")["AsItsRole"]
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
    }


def test_names_of_jobs_are_those_that_the_role_allows() -> None:
    """Names begin with the project's, and have 63 characters at most, however long that is."""
    longest = TEMPLATE["Parameters"]["Project"]["AllowedPattern"]
    assert longest == "[a-z][a-z0-9-]{1,20}"
    assert len("x" * 21 + "-2026-10-30-" + "0f1e2d3c") <= 63
    resource = _statements("MachineRole")["RunTheJob"]["Resource"]["Fn::Sub"]
    assert resource.endswith(":processing-job/${Project}-*")
