"""The parameters name the trait that answers for a channel."""

from __future__ import annotations

from collections.abc import Callable

from engagement.models.inputs import expand, parameters
from engagement.sql.dialect import parse
from engagement.warehouse import Table
from tests.models.conftest import Bench


def test_a_consent_is_read_from_the_trait_that_the_parameters_name(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(consent__traits={"email": "newsletter"})
    query = parse("select consent_email, consent_sms, newsletter from sources.identifies")
    bench.session.publish(
        Table("events", "identifies"),
        "select 'i1' as id, true as newsletter, timestamp '2026-01-01 00:00:00.000' as received_at",
    )
    values = parameters(bench.settings, bench.as_of)
    found = bench.session.query(expand(query, bench.session, bench.settings), values)
    assert found["consent_email"].tolist() == ["true"]
    assert found["newsletter"].tolist() == [True]
    assert found["consent_sms"].isna().all()
