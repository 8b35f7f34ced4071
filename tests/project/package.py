"""The package as a team uses it: a wheel, a folder of its own, an upgrade.

``make test-package``: builds two wheels of two versions, installs the first into a fresh
environment, lays down a project, adds a team's own model, seed, segment and notebook, and a
package's model overridden, runs everything, upgrades to the later wheel, and runs again. The
environment shares the checkout's libraries by a path file, so that nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv/bin/python"
FIRST, LATER = "7.0.0", "7.1.0"

OWN_FILES: Mapping[str, str] = {
    # A model of the team's own in a layer that 03 builds; it reads the package's and a seed.
    "models/customer/spend_by_region.sql": (
        "-- Grain: a region. What its customers have spent.\n"
        "select\n    r.region,\n    count(*) as customers,\n"
        "    cast(sum(c.spend_total) as decimal(38, 2)) as spend\n"
        "from marts.customer_360 as c\n"
        "inner join seeds.regions as r on c.country = r.country\n"
        "where not c.is_bot\ngroup by r.region\n"
    ),
    "models/customer/spend_by_region.yml": (
        "description: What customers have spent, by region.\ngrain: one region\nkey: [region]\n"
        "columns:\n"
        "  region: {type: varchar, description: The region.}\n"
        "  customers: {type: bigint, description: People., unit: people}\n"
        '  spend: {type: "decimal(38,2)", description: Spent in all., unit: reporting currency}\n'
        "checks: {}\n"
    ),
    "seeds/regions.csv": "country:varchar,region:varchar\nGermany,Europe\nDE,Europe\nUS,America\n"
    "United States,America\n",
    # One of the package's seeds with a row of the team's.
    "seeds/known_sources.csv": (
        "name:varchar,source:varchar,category:varchar,is_portal:boolean,is_ad_system:boolean\n"
        "our-blog.example,our blog,other,false,false\n"
    ),
    "params/segments/big_spenders.yaml": (
        "name: big_spenders\ndescription: Ours.\nchannels: [email]\n"
        "where: not is_bot and spend_total > 100\nattributes: [lifecycle_stage]\n"
    ),
    "params/ours.yaml": "",  # local.yaml with our segment: see below
}

OVERRIDDEN = {
    "sql": ("24 * 60 * 60 * 1000 as is_left", "0 as is_left"),
    "yml": (
        "description: What people put into carts",
        "description: Ours. What people put into carts",
    ),
}
"""What the team's own ``marts.carts`` has in place of the package's text."""

NOTEBOOK_CELLS = (
    (["parameters"], 'params = ""\noverrides = {}\n'),
    ([], "from engagement.runs import workbook\n\nbook = workbook.open(params, overrides)\n"),
    ([], 'book.query("select * from marts.spend_by_region order by region")\n'),
)


def run(*words: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command, and give what it printed; a failure shows all of it."""
    plain = {"PATH": os.environ["PATH"], "HOME": str(cwd), "LANG": "C.UTF-8", **environment}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=plain, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{words} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def build_wheel(room: Path, version: str, *, is_later: bool) -> Path:
    """A wheel of this checkout under some version; the later one has a notebook and a file more."""
    source = room / f"source-{version}"
    names = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    for name in filter(None, names):
        if (
            name.startswith(("tests/", "bench/", "demo/", "docs/images/"))
            or not (ROOT / name).is_file()
        ):
            continue
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    config = (source / "pyproject.toml").read_text(encoding="utf-8")
    assert 'version = "0.1.0"' in config
    (source / "pyproject.toml").write_text(config.replace('"0.1.0"', f'"{version}"', 1))
    if is_later:
        for name in ("03_model_customers", "04_dashboard_aggregates"):
            add_sentence(source / f"notebooks/{name}.ipynb", "Of a later version.")
        (source / "params/segments/later.yaml").write_text(
            "name: later\ndescription: Of a later version.\nchannels: [email]\nwhere: not is_bot\n"
        )
    words = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(PYTHON, *words, "--wheel-dir", room / "dist", source, cwd=room)
    [wheel] = (room / "dist").glob(f"engagement-{version}-*.whl")
    return wheel


def add_sentence(notebook: Path, sentence: str) -> None:
    """Add a Markdown cell at a notebook's end."""
    document = json.loads(notebook.read_text(encoding="utf-8"))
    cell = {"cell_type": "markdown", "id": "added", "metadata": {}, "source": [sentence]}
    document["cells"].append(cell)
    notebook.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


def environment(room: Path) -> Path:
    """A fresh environment with the checkout's libraries, but for the package; gives its Python."""
    run(PYTHON, "-m", "venv", "--without-pip", room / "env", cwd=room)
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    shared = ROOT.joinpath(".venv").resolve() / "lib" / name / "site-packages"
    (room / "env/lib" / name / "site-packages/shared.pth").write_text(f"{shared}\n")
    (room / "env/share").mkdir(exist_ok=True)
    (room / "env/share/jupyter").symlink_to(ROOT.joinpath(".venv").resolve() / "share/jupyter")
    return room / "env/bin/python"


def install(python: Path, wheel: Path, room: Path) -> None:
    """Install a wheel, and nothing else."""
    words = ("--quiet", "--no-deps", "--no-index", "--force-reinstall", "--no-warn-script-location")
    run(PYTHON, "-m", "pip", "--python", python, "install", *words, wheel, cwd=room)


def newest(project: Path) -> dict[str, Any]:
    """run.json of a project's newest run."""
    path = max((project / "runs").glob("*/run.json"), key=lambda one: one.parent.name)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def add_own_files(project: Path) -> dict[str, bytes]:
    """What the team adds; gives the bytes of all of it."""
    for name, text in OWN_FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text, encoding="utf-8")
    local = (project / "params/local.yaml").read_text(encoding="utf-8")
    ours = local + "\naudience:\n  segment: params/segments/big_spenders.yaml\n"
    assert "\naudience:" not in local
    (project / "params/ours.yaml").write_text(ours, encoding="utf-8")
    # A model of the package's, overridden by name: a cart is given up at once, none stays open.
    sql = ROOT / "lib/engagement/models/sql/commerce"
    for end in ("sql", "yml"):
        text = (sql / f"carts.{end}").read_text(encoding="utf-8")
        before, after = OVERRIDDEN[end]
        assert text.count(before) == 1
        path = project / f"models/commerce/carts.{end}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(before, after), encoding="utf-8")
    cells = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{number}",
            "metadata": {"tags": tags},
            "outputs": [],
            "source": source,
        }
        for number, (tags, source) in enumerate(NOTEBOOK_CELLS)
    ]
    document = {
        "cells": cells,
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (project / "notebooks/10_regions.ipynb").write_text(json.dumps(document), encoding="utf-8")
    add_sentence(project / "notebooks/04_dashboard_aggregates.ipynb", "We wrote this.")
    names = [*OWN_FILES, "models/commerce/carts.sql", "models/commerce/carts.yml"]
    names += ["notebooks/10_regions.ipynb", "notebooks/04_dashboard_aggregates.ipynb"]
    return {name: (project / name).read_bytes() for name in names}


def main() -> None:
    """Build, install, lay down, run, upgrade, run again."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="package-") as folder:
        room = Path(folder)
        first = build_wheel(room, FIRST, is_later=False)
        later = build_wheel(room, LATER, is_later=True)
        python = environment(room)
        command, project = python.with_name("engagement"), room / "shop"
        install(python, first, room)
        assert run(command, "--version", cwd=room).strip() == f"engagement {FIRST}"
        said = run(command, "init", "shop", cwd=room)
        assert "added: notebooks/00_start_here.ipynb" in said, said
        own = add_own_files(project)
        run(command, "check", "--params", "params/ours.yaml", cwd=project)
        print(run(command, "run", "--params", "params/ours.yaml", cwd=project))  # noqa: T201
        check_run(project, command)

        install(python, later, room)
        assert run(command, "--version", cwd=room).strip() == f"engagement {LATER}"
        said = run(command, "init", "--upgrade", cwd=project)
        print(said)  # noqa: T201
        assert "refreshed: notebooks/03_model_customers.ipynb" in said
        assert "notebooks/04_dashboard_aggregates.ipynb: kept, since it was edited" in said
        assert "added: params/segments/later.yaml" in said
        assert {name: (project / name).read_bytes() for name in own} == own
        refreshed = (project / "notebooks/03_model_customers.ipynb").read_text(encoding="utf-8")
        assert "Of a later version." in refreshed
        some = ("--only", "03", "--only", "05", "--only", "10")
        run(command, "run", "--params", "params/ours.yaml", *some, cwd=project)
        check_run(project, command)
        assert {name: (project / name).read_bytes() for name in own} == own
    print(f"two wheels, two runs, an upgrade: {time.monotonic() - started:.0f} s")  # noqa: T201


def check_run(project: Path, command: Path) -> None:
    """See to it that the team's model, seed, segment and notebook are in the newest run."""
    record = newest(project)
    assert record["status"] == "done", record
    assert record["tables"]["marts.spend_by_region"] > 0, record["tables"]
    assert any("big_spenders" in name for name in record["files"]), sorted(record["files"])
    assert "notebooks/10_regions.html" in record["files"]
    spent = run(command, "query", "select sum(customers) as n from marts.spend_by_region",
                "--format", "csv", cwd=project)  # fmt: skip
    assert int(spent.split()[1]) > 0, spent
    carts = run(command, "query", "select count(*) as n, count_if(status = 'open') as o "
                "from marts.carts", "--format", "csv", cwd=project)  # fmt: skip
    assert re.fullmatch(r"[1-9]\d*,0", carts.split()[1]), carts
    listed = run(command, "tables", cwd=project)
    assert "Ours." in listed, "the package's model stands where the team has overridden it"


if __name__ == "__main__":
    main()
