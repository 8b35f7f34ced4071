"""The server as its clients know it: driven by the SDK's own client, attacked through it."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import get_default_environment, stdio_client

from engagement.settings import ROOT, Settings
from engagement.warehouse import Table, open_warehouse
from tests.sql.test_confined import ATTACKS, SECRET

TOOLS = {"list_tables", "describe_table", "list_metrics", "run_query", "segment_sizes"}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "machine" / "secret.csv"
    path.parent.mkdir()
    path.write_text(f"name\n{SECRET}\n")
    return path


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    found = make_settings()
    with open_warehouse(found).session(write=True) as session:
        session.publish(
            Table("marts", "orders"),
            "select 'o1' as order_id, 'Jane Doe' as person_id, cast(12.50 as decimal(18, 2)) as "
            "revenue, timestamp '2026-01-05 10:00:00' as ordered_at",
        )
        session.publish(
            Table("marts", "segment_sizes"),
            "select 's@1' as snapshot_id, 'lapsed' as segment, date '2026-01-05' as as_of, "
            "'d' as definition, cast(7 as bigint) as members union all "
            "select 's@2', 'lapsed', date '2026-01-06', 'd', 8 union all "
            "select 'n@1', 'new', date '2026-01-06', 'd', 3",
        )
    return found


@asynccontextmanager
async def _client(settings: Settings, *sets: str) -> AsyncIterator[ClientSession]:
    own = [
        f"warehouse.duckdb.path={settings.warehouse.duckdb.path}",
        f"landing.location={settings.landing.location}",
        *sets,
    ]
    words = [word for value in own for word in ("--set", value)]
    started = StdioServerParameters(
        command=sys.executable,
        args=["-m", "engagement.cli", "mcp", "--params", "params/local.yaml", *words],
        env={**get_default_environment(), "PYTHONPATH": str(ROOT / "lib")},
        cwd=ROOT,
    )
    async with stdio_client(started) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        yield session


async def _call(session: ClientSession, tool: str, **parts: Any) -> tuple[bool, str]:
    """Whether a call failed, and all that came back."""
    done = await session.call_tool(tool, parts)
    texts = [getattr(part, "text", "") for part in done.content]
    return bool(done.isError), "\n".join([*texts, json.dumps(done.structuredContent)])


async def _answer(session: ClientSession, tool: str, **parts: Any) -> Any:
    done = await session.call_tool(tool, parts)
    assert not done.isError, done.content
    return done.structuredContent


def test_a_client_finds_tables_metrics_rows_and_sizes(settings: Settings) -> None:
    async def talk() -> None:
        async with _client(settings) as session:
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            assert set(tools) == TOOLS
            assert all(
                tool.annotations and tool.annotations.readOnlyHint for tool in tools.values()
            )
            listed = await _answer(session, "list_tables")
            assert [one["table"] for one in listed["tables"]] == [
                "marts.orders",
                "marts.segment_sizes",
            ]
            described = await _answer(session, "describe_table", table="orders")
            assert described["grain"] == "one order"
            access = {one["column"]: one["access"] for one in described["columns"]}
            assert access == {
                "order_id": "pseudonym",
                "person_id": "pseudonym",
                "revenue": "shown",
                "ordered_at": "shown",
            }
            metrics = await _answer(session, "list_metrics", search="net_revenue daily_overview")
            assert "marts.daily_overview" in {one["table"] for one in metrics["metrics"]}
            assert all(one["unit"] and one["definition"] for one in metrics["metrics"])
            money = await _answer(session, "list_metrics", search="refunds")
            assert "`net_revenue`" in money["shared_definitions"]
            rows = await _answer(
                session, "run_query", sql="select revenue, ordered_at, person_id from marts.orders"
            )
            assert rows["columns"] == ["revenue", "ordered_at", "person_id"]
            assert rows["rows"][0][:2] == ["12.50", "2026-01-05T10:00:00"]
            assert rows["rows"][0][2].startswith("id-")
            sizes = await _answer(session, "segment_sizes", segment="lapsed")
            place = sizes["columns"].index("members")
            assert [row[place] for row in sizes["rows"]] == [8, 7]
            injected = "x' union all select content from read_text('/etc/hostname') --"
            assert (await _answer(session, "segment_sizes", segment=injected))["rows"] == []
            failed, said = await _call(session, "describe_table", table="order")
            assert failed
            assert "did you mean" in said

    anyio.run(talk)


def test_none_of_the_attacks_gets_through(settings: Settings, secret: Path) -> None:
    def aimed(sql: str) -> str:
        return (
            sql.replace("FILE", str(secret))
            .replace("FOLDER", str(secret.parent))
            .replace("WAREHOUSE", settings.warehouse.duckdb.path)
        )

    async def attack() -> tuple[list[str], str]:
        through, told = [], []
        # Even who may see personal data sees nothing but the warehouse.
        for sets in ((), ("mcp.show_personal=true",)):
            async with _client(settings, *sets) as session:
                for sql in ATTACKS:
                    failed, said = await _call(session, "run_query", sql=aimed(sql))
                    told.append(said)
                    if not failed or "could not be answered" in said:
                        through.append(f"{sql}: {said}")
                # It still answers afterwards.
                found = await _answer(session, "run_query", sql="select 1 as x from marts.orders")
                assert found["rows"] == [[1]]
        return through, "".join(told)

    through, told = anyio.run(attack)
    assert through == []
    assert SECRET not in told
    assert "Jane" not in told
    assert sorted(path.name for path in secret.parent.iterdir()) == ["secret.csv"]


def test_a_query_ends_when_its_time_is_over_and_the_next_is_answered(settings: Settings) -> None:
    endless = (
        "select count(*) as n from unnest(sequence(1, 9000000)) as a (x) "
        "cross join unnest(sequence(1, 9000000)) as b (y) where x * y % 7 = 3"
    )

    async def talk() -> None:
        async with _client(settings, "mcp.most_seconds=2") as session:
            failed, said = await _call(session, "run_query", sql=endless)
            assert failed
            assert "stopped after 2 seconds (mcp.most_seconds)" in said
            assert (await _answer(session, "run_query", sql="select 1 as x"))["rows"] == [[1]]

    anyio.run(talk)


def test_it_says_when_there_is_no_warehouse_yet(make_settings: Callable[..., Settings]) -> None:
    async def talk() -> None:
        async with _client(make_settings()) as session:
            assert (await _answer(session, "list_tables"))["tables"] == []
            failed, said = await _call(session, "run_query", sql="select 1 as x from marts.orders")
            assert failed
            assert "There is no warehouse yet" in said

    anyio.run(talk)
