"""Executed pages of a run, as a notebook and as HTML, and what is said above one of another run."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

from engagement import owner_only

_MARK = "engagement-reused"
_NOTE = re.compile(rf"<!-- {_MARK} -->.*?<!-- /{_MARK} -->\n?", re.DOTALL)
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)


def names(notebook: str) -> tuple[str, str]:
    """Where the pages of a notebook are in a run's folder."""
    return f"notebooks/{notebook}.ipynb", f"notebooks/{notebook}.html"


def words(run_id: str, at: str) -> str:
    """What is said above a page that another run executed."""
    return (
        f"Nothing that this notebook reads has changed since run {run_id} executed it "
        f"({at} UTC): this is its page."
    )


def put(there: Path, here: Path, notebook: str, run_id: str, at: str) -> None:
    """Put the pages of a notebook from one run's folder into another's, with a note above.

    Raises
    ------
    ValueError
        When a page is not one that a run has written.
    """
    for name in names(notebook):
        owner_only.folder((here / name).parent)
        text = (there / name).read_text(encoding="utf-8")
        noted = _noted_cells if name.endswith(".ipynb") else _noted_html
        owner_only.replace(here / name, noted(text, run_id, at))


def _noted_cells(text: str, run_id: str, at: str) -> str:
    document = json.loads(text)
    others = [cell for cell in document["cells"] if cell.get("id") != _MARK]
    note = {
        "cell_type": "markdown",
        "id": _MARK,
        "metadata": {},
        "source": [f"> {words(run_id, at)}"],
    }
    # Below the title, which is what lists of notebooks show.
    document["cells"] = [*others[:1], note, *others[1:]]
    document["metadata"].setdefault("engagement", {})["executed_in"] = run_id
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _noted_html(text: str, run_id: str, at: str) -> str:
    text = _NOTE.sub("", text)
    body = _BODY.search(text)
    if body is None:
        raise ValueError("no page")
    said = html.escape(words(run_id, at))
    note = (
        f'<!-- {_MARK} --><p style="margin:1em;padding:.6em 1em;border-left:4px solid #888;'
        f'background:#f4f4f4;color:#222;font-family:sans-serif">{said}</p><!-- /{_MARK} -->\n'
    )
    return f"{text[: body.end()]}{note}{text[body.end() :]}"
