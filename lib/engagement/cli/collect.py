"""``engagement collect``: events taken in over HTTP."""

from __future__ import annotations

from typing import Any

from engagement.cli.console import (
    Params,
    Sets,
    console,
    fail,
    plain,
    settings_from,
    shown_path,
)
from engagement.messages import counted


def collect(params: Params = None, set_: Sets = None) -> None:
    """Take events in over HTTP, as RudderStack's data plane does, and land them here."""
    from engagement.collect import server

    settings, _ = settings_from(params, set_)
    chosen = server.plan(settings)
    done = server.serve(
        chosen,
        started=lambda address: _collecting(address, chosen),
        landed=lambda file: console.print(
            plain(f"  {counted(file.events, 'event')} in {file.name}")
        ),
    )
    landed = f"{counted(done.events, 'event')} in {counted(done.files, 'file')} landed"
    console.print(f"[bold green]done[/]: {landed}")
    if done.left:
        fail("some events could not be delivered; they are kept, and tried at the next start", 1)


def _collecting(address: str, chosen: Any) -> None:
    # Those of servers are secrets; the default one everybody knows.
    keys = chosen.write_keys
    known = "the write key 'local'" if keys == ("local",) else counted(len(keys), "write key")
    console.print(plain(f"Collecting at {address} with {known}. Ctrl-C ends it."))
    if chosen.landing is not None:
        seconds = f"{chosen.roll_seconds:g} seconds"
        console.print(
            plain(
                f"Events land in {shown_path(chosen.landing)}, at most {seconds} after they came."
            )
        )
    for stream in chosen.streams:
        console.print(plain(f"They are put to the Firehose stream {stream.name}."))
    console.print("This is a stand-in for a laptop: production is RudderStack's own data plane.")
