"""Execute the notebooks in place on the samples, so that their outputs are committed.

Run by ``make notebooks``. Metadata that changes from run to run is left out.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import warnings
from pathlib import Path

import nbformat
import yaml
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"


def own_parameters(folder: Path) -> Path:
    """A copy of the default parameters whose warehouse lies in a folder.

    Runs stay where they are by default, so that links in the outputs are those that a reader gets.
    """
    params = yaml.safe_load((ROOT / "params/local.yaml").read_text(encoding="utf-8"))
    params["warehouse"]["duckdb"]["path"] = str(folder / "warehouse.duckdb")
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    return path


def refresh(path: Path) -> None:
    """Execute one notebook and write it back with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        extra_arguments=["--log-level=40"],
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, path)


def main() -> None:
    """Execute all notebooks, or those named on the command line, in order."""
    warnings.simplefilter("ignore")
    asyncio.set_event_loop(asyncio.new_event_loop())
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ENGAGEMENT_PARAMS"] = str(own_parameters(Path(folder)))
        names = sys.argv[1:] or sorted(p.name for p in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
        for name in names:
            print(name, flush=True)  # noqa: T201
            refresh(NOTEBOOKS / Path(name).name)


if __name__ == "__main__":
    main()
