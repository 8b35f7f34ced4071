"""Measures runs on the stand and writes what ``engagement estimate`` reckons with.

``python -m tests.athena.calibrate`` takes a quarter of an hour on an idle machine. The measurements
go to ``tests/athena/measured`` and the calibration to ``lib/engagement/estimate/calibration.json``.
With ``--fit`` the measurements that are there are fitted again, without a stand; with ``--check``
each landing is foreseen by the others.

``measured/samples.json`` is another run's log: that of ``test_conformance`` over sixty dates, whose
files SNAPPY compressed. Its bytes are multiplied by what ZSTD makes of the same tables (0.56 to
0.68, by notebook). ``measured/shares.json`` is what ``tests.athena.columns`` wrote.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from engagement import samples
from engagement.estimate.calibration import parsed, value
from engagement.models.runner import models
from engagement.settings import ROOT
from tests.athena import measure
from tests.athena.stand import running

MEASURED = Path(__file__).parent / "measured"
TARGET = ROOT / "lib" / "engagement" / "estimate" / "calibration.json"

LANDINGS = {
    "c1": (samples.GeneratorSettings(users=1500, days=4, seed=11), (3, 1)),
    "c3": (samples.GeneratorSettings(users=5000, days=5, seed=13), (4,)),
}
"""Small and large, few dates and many; days that land before each run."""

OTHER = "samples"
"""Its landing was spoiled on purpose, so that it tells nothing of 02."""


def measure_all() -> None:
    """Run the notebooks over every landing, and keep what they took."""
    with running() as stand, tempfile.TemporaryDirectory() as folder:
        os.environ.update(stand.environment())
        for name, (settings, parts) in LANDINGS.items():
            landing = Path(folder) / name
            samples.generate(settings, landing)
            runs = Path(folder) / "runs"
            found = list(measure.measured(stand, landing, parts, name, runs, look=True))
            measure.write(found, MEASURED / f"{name}.json")


# --- fitting --------------------------------------------------------------------------------------

Row = dict[str, Any]
_OF_TABLE = re.compile(r"^(events\.(?!events$|discards$|users$|tracks$).*|misfits_.*)$")
_NUMBERED = re.compile(r"_\d+$")


def group_of(statement: Row) -> tuple[str, str]:
    """Notebook and label of a statement, without the names that are of one shop alone."""
    label = statement["label"]
    if _OF_TABLE.match(label):
        label = "events.*" if label.startswith("events.") else "misfits of events"
    return statement["notebook"], _NUMBERED.sub(" …", label)


def drivers_of(run: Row) -> dict[str, float]:
    """What a run's costs depend on."""
    facts = run["facts"]
    is_first = run["kind"] == "first"
    days = facts["days"]
    return {
        "one": 1.0,
        "table": facts["tables"],
        "partition": facts["partitions"],
        "event": facts["events"],
        "new_partition": facts["partitions"] * facts["days_new"] / days
        if not is_first
        else facts["partitions"],
        "new_event": facts["events_new"],
        "landed_byte": facts["landing_bytes_new"],
    }


def fit(runs: Sequence[Row], values: Sequence[float], names: Sequence[str]) -> dict[str, float]:
    """Coefficients, none below zero, that come nearest to values, by their relative error."""
    observed = np.array(values, float)
    if not observed.any():
        return {"one": 0.0}
    known = [drivers_of(run) for run in runs]
    matrix = np.array([[one[name] for name in names] for one in known], float)
    weights = 1.0 / np.maximum(observed, observed.max() * 0.05)
    scale = np.maximum(np.abs(matrix).max(axis=0), 1e-12)
    found, _ = nnls(matrix / scale * weights[:, None], observed * weights)
    return {
        name: float(f"{number:.6g}")
        for name, number in zip(names, found / scale, strict=True)
        if number > 0
    } or {"one": 0.0}


_FILES = ("one", "partition")
_COUNTS = ("one", "table")

_OF_LANDING = ("lines", "landing.profile")
"""Statements that read landed files."""

_BY_KIND = ("01_glue_tables", "02_flatten_events")
"""Notebooks that do something else in an increment; the others make their tables of everything,
so that what a first run takes tells of an increment too."""


def fitted(raw: Mapping[str, list[Row]], shares: Mapping[str, float]) -> dict[str, Any]:
    """The calibration that measurements give."""
    runs = {
        kind: [run for some in raw.values() for run in some if run["kind"] == kind]
        for kind in ("first", "increment")
    }
    every = [run for some in runs.values() for run in some]
    groups = {kind: _groups(kind, some, every, shares) for kind, some in runs.items()}
    # A run whose stand went down before its end has its log, and no more.
    whole = [run for run in every if run["requests"] and run["storage"]]
    kept = [run for run in whole if run["kind"] == "first"]
    counted = [run for run in whole if _published(run)]
    own = [run for run in every if run["name"] != OTHER]
    landed = sum(run["facts"]["landing_bytes_new"] for run in own)
    raw_bytes = sum(run["facts"]["raw_bytes_new"] for run in own)
    events = sum(run["facts"]["events_new"] for run in own)
    interactions = [run["tables"]["marts.personalize_interactions"] for run in own]
    exported = sum(run["facts"]["interaction_bytes"] for run in own)
    return {
        "made": f"{datetime.now(UTC):%Y-%m-%d}",
        "engine": "Trino 435 over moto, ZSTD",
        "event_bytes": round(raw_bytes / events),
        "zipped_share": round(landed / raw_bytes, 4),
        "tables": round(max(run["facts"]["tables"] for run in own)),
        "groups": groups,
        "failed": {
            kind: float(np.mean([_failures(run) for run in some] or [0.0]))
            for kind, some in runs.items()
        },
        "requests": {
            kind: {
                what: fit(whole, [_calls(run, what) for run in whole], ("one", "partition"))
                for what in _CALLS
            }
            for kind, some in runs.items()
        },
        "stored": {
            "first": {
                "bytes": fit(
                    counted,
                    [_published(run)["whole_bytes"] for run in counted],
                    ("partition", "event"),
                ),
                "objects": fit(counted, [_published(run)["files"] for run in counted], _FILES),
            },
            "increment": _added(raw),
        },
        "dashboard_bytes": fit(kept, [_dashboard_bytes(run) for run in kept], ("event",)),
        "interactions": fit(own, interactions, ("event",)),
        "interaction_bytes": round(exported / sum(interactions), 1),
        "landings": [
            {
                "name": run["name"],
                "kind": run["kind"],
                **{k: run["facts"][k] for k in ("events", "events_new", "days", "days_new")},
                "statements": len(run["statements"]),
                "scanned_bytes": sum(s["scanned"] for s in run["statements"]),
            }
            for run in every
        ],
    }


def _groups(
    kind: str, of_kind: Sequence[Row], every: Sequence[Row], shares: Mapping[str, float]
) -> list[Row]:
    of_kind = [run for run in of_kind if run["name"] != OTHER]
    names = sorted({group_of(s) for run in of_kind for s in run["statements"] if _is_done(s)})
    firsts = [run for run in of_kind if run["kind"] == "first"] or [
        run for run in every if run["kind"] == "first" and run["name"] != OTHER
    ]
    groups = []
    for notebook, label in names:
        runs = of_kind if notebook in _BY_KIND else every
        # What a run did not come to says nothing.
        runs = [r for r in runs if r["storage"] or any(_statements([r], notebook, label))]
        own = _statements(runs, notebook, label)
        scanned = [float(sum(s["scanned"] for s in some)) for some in own]
        seen = [
            (run, float(sum(s["files"] for s in some)))
            for run, some in zip(runs, own, strict=True)
            if some and all("files" in s for s in some)
        ]
        files = fit([run for run, _ in seen], [many for _, many in seen], _FILES)
        if label in _OF_LANDING:
            bytes_ = fit(runs, scanned, ("landed_byte",))
        elif kind == "increment" and notebook in _BY_KIND:
            bytes_ = _of_increments(of_kind, scanned, firsts, notebook, label)
        else:
            bytes_ = fit(runs, scanned, _grows_with(runs, own))
        largest = max(range(len(runs)), key=lambda nth: runs[nth]["facts"]["events"])
        groups.append(
            {
                "notebook": notebook,
                "label": label,
                "count": fit(runs, [len(some) for some in own], _COUNTS),
                "scanned": bytes_,
                "files": files,
                "column_share": 1.0
                if notebook in _BY_KIND
                else shares.get(f"{notebook}/{label}", shares["all"])
                if label != "rows of the tables"
                else 0.0,
                "spread": _spread([s["scanned"] for s in own[largest]]),
            }
        )
    return groups


def _statements(runs: Sequence[Row], notebook: str, label: str) -> list[list[Row]]:
    return [
        [s for s in run["statements"] if _is_done(s) and group_of(s) == (notebook, label)]
        for run in runs
    ]


_FEW_FILES = 4


def _grows_with(runs: Sequence[Row], own: Sequence[Sequence[Row]]) -> tuple[str, ...]:
    """Besides events: dates of tables, where a statement reads many files; else nothing."""
    del runs
    files = [s["files"] for some in own for s in some if "files" in s]
    many = bool(files) and float(np.mean(files)) > _FEW_FILES
    return ("partition" if many else "one", "event")


def _of_increments(
    runs: Sequence[Row],
    scanned: Sequence[float],
    firsts: Sequence[Row],
    notebook: str,
    label: str,
) -> dict[str, float]:
    """What 02 scans of new dates, or of all: either is what it scans of so many in a first run."""
    own = _statements(firsts, notebook, label)
    drivers = _grows_with(firsts, own)
    first = fit(firsts, [float(sum(s["scanned"] for s in some)) for some in own], drivers)
    if not any(first.values()):
        return fit(runs, scanned, ("event",))
    of_new = {"partition": "new_partition", "event": "new_event"}
    sides = [first, {of_new.get(name, name): number for name, number in first.items()}]
    told = [[value(side, drivers_of(run)) for run in runs] for side in sides]
    ratios = [float(np.sum(scanned)) / max(float(np.sum(side)), 1.0) for side in told]
    nearest = min((0, 1), key=lambda side: abs(np.log(max(ratios[side], 1e-9))))
    return {
        name: float(f"{number * ratios[nearest]:.6g}") for name, number in sides[nearest].items()
    }


def _is_done(statement: Row) -> bool:
    return bool(statement["status"] == "done")


def _spread(scanned: Sequence[int], parts: int = 10) -> list[float]:
    total = sum(scanned)
    if len(scanned) < 2 or not total:
        return []
    chunks = np.array_split(np.sort(np.array(scanned, float))[::-1], min(parts, len(scanned)))
    means = np.array([chunk.mean() for chunk in chunks])
    return [round(float(one), 4) for one in means / means.sum()]


_CALLS: dict[str, Callable[[str, str], bool]] = {
    "s3 writes": lambda service, name: (
        service == "s3"
        and name.startswith(("Put", "Copy", "List", "CreateMultipart", "UploadPart", "Complete"))
    ),
    "s3 reads": lambda service, name: service == "s3" and name.startswith(("Get", "Head")),
    # Athena's engine keeps no column statistics of its own in Glue that these tables have.
    "glue": lambda service, name: service == "glue" and "ColumnStatistics" not in name,
}


def _calls(run: Row, what: str) -> float:
    total = 0
    for key, many in run["requests"].items():
        service, name, _ = key.split(" ")
        total += many * _CALLS[what](service, name)
    return float(total)


def _failures(run: Row) -> int:
    return sum(statement["status"] == "failed" for statement in run["statements"])


def _published(run: Row) -> dict[str, float]:
    """Files and bytes of all tables, by the statement that counts their rows."""
    for statement in run["statements"]:
        if statement["label"] == "rows of the tables" and "whole_bytes" in statement:
            return {name: float(statement[name]) for name in ("files", "whole_bytes")}
    return {}


def _stored(run: Row) -> tuple[float, float]:
    """Objects and bytes below the project's folder."""
    found = run["storage"].values()
    return sum(one[0] for one in found), sum(one[1] for one in found)


def _added(raw: Mapping[str, list[Row]]) -> dict[str, dict[str, float]]:
    """What an increment adds to what lies there, the replaced files included."""
    later, objects, sizes = [], [], []
    for runs in raw.values():
        for before, run in pairwise(runs):
            later.append(run)
            objects.append(_stored(run)[0] - _stored(before)[0])
            sizes.append(_stored(run)[1] - _stored(before)[1])
    return {
        "bytes": fit(later, sizes, ("event",)),
        "objects": fit(later, objects, ("one", "table")),
    }


def _dashboard_bytes(run: Row) -> float:
    """Bytes of the tables of dashboards, in whose folders lies one version after a first run."""
    names = {
        f"candidate_{model.name}" for model in models().values() if model.layer == "dashboards"
    }
    return float(
        sum(
            size
            for folder, (_, size) in run["storage"].items()
            if folder.rpartition("/")[2].partition("_")[2] in names
        )
    )


def check(raw: Mapping[str, list[Row]], shares: Mapping[str, float]) -> Iterator[str]:
    """Each landing against what the others tell of it: bytes that were scanned, and foreseen."""
    for name, runs in raw.items():
        others = {other: some for other, some in raw.items() if other != name}
        made = parsed(fitted(others, shares))
        for run in runs:
            if not made.groups[run["kind"]]:
                continue  # nothing like it was measured besides
            known = drivers_of(run)
            foreseen = sum(value(group.scanned, known) for group in made.groups[run["kind"]])
            took = sum(s["scanned"] for s in run["statements"] if _is_done(s))
            yield (
                f"{name}, {run['kind']}: {run['facts']['events']:,} events, "
                f"{run['facts']['days']} dates: scanned {took:,}, foreseen {foreseen:,.0f} "
                f"({foreseen / took - 1:+.1%})"
            )


def written(made: Mapping[str, Any]) -> str:
    """A calibration as JSON, a group of statements on each line."""
    marks = {}
    for kind, groups in made["groups"].items():
        marks[f"groups of {kind}"] = groups
    text = json.dumps({**made, "groups": {k: f"groups of {k}" for k in made["groups"]}}, indent=1)
    for mark, groups in marks.items():
        lines = ",\n".join("   " + json.dumps(group) for group in groups)
        text = text.replace(json.dumps(mark), f"[\n{lines}\n  ]")
    return text + "\n"


def main() -> None:
    """Measure, unless that was done before, and write the calibration."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fit", action="store_true", help="fit what was measured before")
    parser.add_argument("--check", action="store_true", help="foresee each landing by the others")
    chosen = parser.parse_args()
    if not chosen.fit and not chosen.check:
        measure_all()
    raw = {
        name: json.loads(path.read_text())
        for name in (*LANDINGS, OTHER)
        if (path := MEASURED / f"{name}.json").exists()
    }
    shares = json.loads((MEASURED / "shares.json").read_text())
    if chosen.check:
        sys.stdout.writelines(f"{line}\n" for line in check(raw, shares))
    else:
        TARGET.write_text(written(fitted(raw, shares)))


if __name__ == "__main__":
    main()
