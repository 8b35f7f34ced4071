"""``python -m bench.recommend``: data sets of Personalize and baselines, on made-up interactions.

    python -m bench.recommend                             # 1,000,000 interactions
    python -m bench.recommend --interactions 10000000
    python -m bench.recommend --landing 1000000           # how good the baselines are on events

The tables are made in DuckDB directly: people with a taste for some of the products, ten
interactions each. Every contender has a process of its own. Beside the export stands what pandas
writes when it is given the whole table at once; beside the baselines scipy's SVD alone, on a matrix
that is ready, and ``implicit``'s ALS where that is installed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from bench import data
from bench.measure import Measured, measure
from engagement.models.runner import build, models
from engagement.settings import Settings, load_settings
from engagement.warehouse import Warehouse, open_warehouse

PEOPLE_EACH = 10
AS_OF = date(2026, 1, 31)
END = 1_769_904_000  # the end of that day


def settings_of(folder: Path, memory: str, more: dict[str, str] | None = None) -> Settings:
    """Settings of a warehouse in a folder."""
    return load_settings(
        "params/local.yaml",
        {
            "landing.location": str(folder),
            **(more or {}),
            "warehouse.duckdb.path": f"{folder}/bench.duckdb",
            "warehouse.duckdb.memory_limit": memory,
        },
    )


def make(folder: Path, interactions: int, products: int, memory: str) -> None:
    """Make the tables that 06 reads: interactions, items, users and customer 360."""
    settings = settings_of(folder, memory)
    warehouse = open_warehouse(settings)
    marts = settings.warehouse.databases.marts
    people = interactions // PEOPLE_EACH
    # 20 groups of products; three of four interactions are within the group of the person, and
    # within it the first products are met most.
    taste = (
        f"(p % 20) * {products // 20} + cast(floor({products // 20} * power(random(), 2)) as int)"
    )
    anything = f"cast(floor({products} * power(random(), 2)) as int)"
    item = f"case when random() < 0.75 then {taste} else {anything} end as item"
    numbers = f"range({interactions}) as t (n)"
    given = {
        "personalize_interactions": (
            {
                "user_id": "'user-' || lpad(p::varchar, 9, '0')",
                "person_id": "'person-' || lpad(p::varchar, 9, '0')",
                "item_id": "'prd-' || lpad(item::varchar, 6, '0')",
                "event_type": "case when r < 0.72 then 'View' when r < 0.9 then 'AddToCart' "
                "else 'Purchase' end",
                "epoch_seconds": f"{END} - 1 - n % 5184000",
                "device_type": "case when r < 0.5 then 'mobile' else 'desktop' end",
                "repeats": "1",
                "happened_at": f"make_timestamp(({END} - 1 - n % 5184000) * 1000000)",
                "received_at": f"make_timestamp(({END} - 1 - n % 5184000) * 1000000)",
            },
            f"(select n, n % {people} as p, random() as r, {item} from {numbers})",
        ),
        "personalize_items": (
            {
                "item_id": "'prd-' || lpad(n::varchar, 6, '0')",
                "category": f"'Category ' || (n // {products // 20})",
                "brand": "'Brand ' || n % 37",
                "name": "'Product ' || n",
                "price": "9.95",
            },
            f"range({products}) as r (n)",
        ),
        "personalize_users": (
            {
                "user_id": "'user-' || lpad(n::varchar, 9, '0')",
                "person_id": "'person-' || lpad(n::varchar, 9, '0')",
                "membership": "case when n % 3 = 0 then 'member' else 'guest' end",
                "age": "case when n % 3 = 0 then 18 + n % 60 end",
            },
            f"range({people}) as r (n)",
        ),
        "customer_360": (
            {
                "person_id": "'person-' || lpad(n::varchar, 9, '0')",
                "lifecycle_stage": "'visitor'",
                "favourite_category": "'Category ' || n % 20",
            },
            f"range({people}) as r (n)",
        ),
    }
    documents = models(["personalize", "customer"])
    with warehouse.session(write=True) as session:
        connection = session._connection  # DuckDB's own: the dialect has no range of a million
        connection.execute("select setseed(0.42)")
        for table, (chosen, source) in given.items():
            columns = ", ".join(
                f'({chosen.get(name, "null")})::{column.type.replace("(3)", "")} as "{name}"'
                for name, column in documents[table].document.columns.items()
            )
            distinct = "distinct on (p, item, n % 5184000, r)" if "inter" in table else ""
            connection.execute(
                f"create table {marts}.{table} as select {distinct} {columns} from {source}"
            )


# --- contenders -----------------------------------------------------------------------------------


def export(warehouse: Warehouse, settings: Settings, folder: Path) -> dict[str, Any]:
    """The data sets as 06 writes them: checked, in parts, a page at a time."""
    from engagement.as_of import whole_day
    from engagement.personalize import exports

    written = exports.write(
        warehouse, settings, whole_day(AS_OF, "UTC"), folder / "out", folder / "rejects"
    )
    return {"rows": sum(one.rows for one in written.sets.values())}


def pandas(warehouse: Warehouse, settings: Settings, folder: Path) -> dict[str, Any]:
    """The same columns by pandas, the whole table at once, nothing checked."""
    del settings
    rows = 0
    for table, columns, order in (
        (
            "personalize_interactions",
            "user_id, item_id, event_type, epoch_seconds, device_type",
            ["epoch_seconds", "user_id", "item_id", "event_type"],
        ),
        ("personalize_items", "item_id, price, category, brand, name", ["item_id"]),
        ("personalize_users", "user_id, membership, gender, age, country, plan", ["user_id"]),
    ):
        frame = warehouse.query(f"select {columns} from marts.{table}").sort_values(order)
        frame.to_csv(
            folder / f"{table}.csv",
            index=False,
            doublequote=False,
            escapechar="\\",
            lineterminator="\n",
        )
        rows += len(frame)
    return {"rows": rows}


def baselines(warehouse: Warehouse, settings: Settings, folder: Path) -> dict[str, Any]:
    """Every model of the layer ``recommendations``: lists, evaluation and intervals."""
    del folder
    names = [name for name in models(["recommendations"]) if not name.startswith("experiment")]
    built = build(warehouse, settings, AS_OF, ["recommendations"], only=names, stale="ignore")
    return {"rows": sum(one.rows for one in built)}


def svd(warehouse: Warehouse, settings: Settings, folder: Path) -> dict[str, Any]:
    """Truncated SVD of scipy alone: the matrix, its factors, and ten products for everybody."""
    del folder
    from engagement.personalize.baselines import factorise

    interest, rows = _matrix(warehouse)
    factors = factorise(interest, settings.recommendations.factors)
    _lists(lambda part: (part @ factors) @ factors.T, interest)
    return {"rows": rows}


def als(warehouse: Warehouse, settings: Settings, folder: Path) -> dict[str, Any]:
    """ALS of ``implicit`` alone, likewise."""
    del folder
    import numpy as np
    from implicit.als import AlternatingLeastSquares

    interest, rows = _matrix(warehouse)
    model = AlternatingLeastSquares(
        factors=settings.recommendations.factors, num_threads=1, random_state=1
    )
    model.fit(interest.astype(np.float32), show_progress=False)
    everybody = np.arange(interest.shape[0])
    for start in range(0, len(everybody), 10_000):
        some = everybody[start : start + 10_000]
        model.recommend(some, interest[some].astype(np.float32), N=10)
    return {"rows": rows}


def _matrix(warehouse: Warehouse) -> tuple[Any, int]:
    import numpy as np
    import pandas as pd
    from scipy import sparse

    frame = warehouse.query("select person_id, item_id from marts.personalize_interactions")
    person, people = pd.factorize(frame["person_id"])
    item, items = pd.factorize(frame["item_id"])
    shape = (len(people), len(items))
    return sparse.csr_matrix((np.ones(len(frame)), (person, item)), shape=shape), len(frame)


def _lists(scores: Callable[[Any], Any], interest: Any) -> None:
    import numpy as np

    for start in range(0, interest.shape[0], 2_000):
        wanted = scores(interest[start : start + 2_000])
        np.argpartition(-wanted, 10, axis=1)[:, :10]


CONTENDERS = {
    "export": export,
    "pandas": pandas,
    "baselines": baselines,
    "svd": svd,
    "als": als,
}
NAMES = {
    "export": "data sets, checked and in parts",
    "pandas": "pandas, the whole table at once",
    "baselines": "all baselines, tested",
    "svd": "scipy's SVD alone",
    "als": "implicit's ALS alone",
}


def child(name: str, folder: Path, memory: str) -> None:
    """Let one contender do its work in this process."""
    settings = settings_of(folder, memory)
    warehouse = open_warehouse(settings)
    cpu, wall = time.process_time(), time.perf_counter()
    said = CONTENDERS[name](warehouse, settings, folder)
    times = {"work_cpu": time.process_time() - cpu, "work_wall": time.perf_counter() - wall}
    print(json.dumps({"events": said["rows"], **said, **times}))


def tested(events: int, memory: str) -> None:
    """Take a generated landing all the way, and print how good the baselines are on it."""
    from engagement.as_of import resolve_as_of
    from engagement.flatten import flatten
    from engagement.personalize import comparing

    landing = data.landing(events)
    with tempfile.TemporaryDirectory() as name:
        own = {"landing.location": str(landing)}
        settings = settings_of(Path(name), memory, own)
        warehouse = open_warehouse(settings)
        flatten(warehouse, settings)
        layers = ["people", "behaviour", "commerce", "customer", "personalize", "recommendations"]
        build(warehouse, settings, resolve_as_of(warehouse, settings), layers)
        metrics = warehouse.query("select * from marts.recommendation_metrics")
        gains = warehouse.query("select * from marts.recommendation_gains")
    print(comparing.table(metrics).to_string(index=False))
    print(comparing.better(gains).to_string(index=False))
    print(comparing.words(metrics, gains))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--products", type=int, default=2_000)
    parser.add_argument("--memory-limit", default="1GB", help="DuckDB's share of the memory")
    parser.add_argument("--contenders", nargs="*", default=list(CONTENDERS))
    parser.add_argument("--landing", type=int, help="generate about so many events instead")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where the tables lie, or are made")
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen.child, chosen.folder, chosen.memory_limit)
        return
    if chosen.landing:
        tested(chosen.landing, chosen.memory_limit)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        make(folder, chosen.interactions, chosen.products, chosen.memory_limit)
        size = f"{chosen.interactions:,} interactions with {chosen.products:,} products"
        print(f"\n### {size}, DuckDB within {chosen.memory_limit}\n")
        print("| | rows | CPU s | wall s | peak GB |\n|---|--:|--:|--:|--:|", flush=True)
        for contender in chosen.contenders:
            command: list[str | Path] = [sys.executable, "-m", "bench.recommend", "--child"]
            command += [contender, "--folder", folder, "--memory-limit", chosen.memory_limit]
            done: Measured = measure(command)
            print(
                f"| {NAMES[contender]} | {done.said['rows']:,} | {done.cpu:.1f} | {done.wall:.1f} "
                f"| {done.peak_bytes / 1e9:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
