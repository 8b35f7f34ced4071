"""``engagement mcp``: let an assistant read the warehouse."""

from __future__ import annotations

from engagement.cli.console import Params, Sets, settings_from


def mcp(params: Params = None, set_: Sets = None) -> None:
    """Serve the warehouse to an assistant, read-only, by the Model Context Protocol.

    It is spoken through standard input and output, so the assistant starts this command itself
    (docs/mcp.md). Columns about people are masked, unless the parameters show them.
    """
    from engagement.mcp.server import serve

    settings, _ = settings_from(params, set_)
    serve(settings)
