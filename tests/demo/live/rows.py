"""Answer queries of a demo's warehouse, one per line, as `engagement query` does.

The project's own environment runs this, once for all tests: to start it takes longer than to ask.
"""

from __future__ import annotations

import json
import sys

from engagement.cli.console import as_json
from engagement.runs.typed_queries import ask
from engagement.settings import load_settings, parse_override
from engagement.warehouse import open_warehouse

params, *sets = sys.argv[1:]
settings = load_settings(params, dict(parse_override(text) for text in sets))
for line in sys.stdin:
    frame = ask(open_warehouse(settings), settings, json.loads(line))
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    sys.stdout.write(json.dumps(json.loads(as_json(rows))) + "\n")
    sys.stdout.flush()
