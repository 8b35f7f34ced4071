"""pandas.json_normalize per event, to one Parquet file each.

The lines are parsed by Python's json module, or with the option ``orjson`` by that one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import orjson
import pandas as pd
from task import lines, task

if __name__ == "__main__":
    with task() as work:
        loads = orjson.loads if work.options.get("orjson") else json.loads
        groups: dict[tuple[str, str | None], list[dict[str, Any]]] = defaultdict(list)
        for file in work.files:
            for line in lines(file):
                record = loads(line)
                groups[record["type"], record.get("event")].append(record)
        rows = 0
        for number, key in enumerate(sorted(groups, key=str)):
            frame = pd.json_normalize(groups.pop(key), sep="_")
            frame.to_parquet(work.out / f"{number}.parquet", index=False)
            rows += len(frame)
        work.said["events"] = rows
