"""``engagement erase``: people removed from everything that was kept of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from engagement.cli.console import (
    Params,
    Sets,
    console,
    grid,
    plain,
    settings_from,
    shown_path,
)
from engagement.messages import counted


def erase(
    user: Annotated[
        list[str] | None,
        typer.Option("--user", help="The user id of a person. Repeatable.", metavar="ID"),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Remove what has landed of people erased before.")
    ] = False,
    keep_named: Annotated[
        bool, typer.Option("--keep-named", help="Leave what others sent and names the person.")
    ] = False,
    block: Annotated[
        bool,
        typer.Option("--block", help="Also keep out ids that no event has used yet."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without, only say what would.")
    ] = False,
    params: Params = None,
    set_: Sets = None,
) -> None:
    """Remove people from landed files, tables, exports and old runs; a dry run without --yes."""
    from engagement.erasure.erase import ErasureError, NobodyError
    from engagement.erasure.erase import erase as erase_people
    from engagement.erasure.receipt import OF_TABLES

    settings, _ = settings_from(params, set_)
    if bool(user) == again:
        raise ErasureError("say whom: --user ID, as often as needed; or --again, and no --user")
    try:
        found = erase_people(
            settings, user or (), dry_run=not yes, keep_named=keep_named, block=block
        )
    except NobodyError as error:
        raise ErasureError(f"{error}{_alike(error.alike)}") from None
    receipt, who = found.receipt, found.who
    for title, ids in (
        ("user ids", who.user_ids),
        ("anonymous ids", who.devices),
        ("anonymous ids that others use too: only events with a user id go", who.shared),
        ("ids aliased to several users: not followed", who.unclear),
    ):
        if ids:
            console.print(f"{title}: {plain(', '.join(sorted(ids)))}")
    why = ", ".join(f"{count} by {name}" for name, count in receipt.why.items())
    each = "table" if receipt.source == OF_TABLES else "file"
    console.print(
        f"{receipt.source}: {counted(receipt.records, 'row' if each == 'table' else 'record')} in "
        f"{counted(len(receipt.landing), each)}" + (f" ({why})" if why else "")
    )
    rows = [
        (name, *(str(counts.get(when, "")) for when in ("before", "after")))
        for name, counts in receipt.tables.items()
    ]
    if rows:
        grid(["table", "rows that hold an id", "after"], rows, right={1, 2})
    for name, count in receipt.audiences.items():
        console.print(f"  {name}: {count:,}")
    for name, what in receipt.runs.items():
        console.print(plain(f"  {name}: {what}"))
    for sentence in receipt.left:
        console.print(f"[yellow]stays[/]: {plain(sentence)}")
    if found.path is None:
        console.print("Nothing was changed. With --yes, what was counted here is removed for good.")
    else:
        console.print(f"[bold green]done[/]: the receipt is {plain(shown_path(found.path))}")


def _alike(alike: Mapping[str, Sequence[str]]) -> str:
    """Ids that are similar to those that nobody has.

    They are other people's: whoever sits at the terminal may have mistyped one and needs to see
    it, but nothing that a program keeps of the output (a log of a nightly job, say) may hold them.
    """
    near = {named: ids for named, ids in alike.items() if ids}
    if not near:
        return ""
    if not sys.stderr.isatty():
        return "\nSimilar ids are known; they are shown on a terminal alone."
    return "".join(f"\nSimilar to '{named}': {', '.join(ids)}" for named, ids in near.items())
