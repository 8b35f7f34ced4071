"""Counting fields again from kept texts gives what reading the files had counted."""

from __future__ import annotations

import pytest

from engagement.erasure import recount
from engagement.flatten.declared import declared_types
from engagement.flatten.fields import FIELDS
from engagement.settings import ROOT
from tests.flatten.conftest import (  # noqa: F401 (fixtures)
    DAY,
    Raw,
    Shop,
    event,
    folder,
    make_shop,
    shop,
    text,
)

ODD = [
    '{"a":1,"b":-2,"c":0,"d":true,"e":"x","f":[1],"g":{}}',
    '{"a":1.5,"b":1e3,"c":-0.0,"d":null,"e":"","f":[],"g":{"h":null}}',
    '{"a":9223372036854775807,"b":-9223372036854775808,"c":1e300,"f":[""]}',
    '{"a":9223372036854775808,"b":18446744073709551615,"c":123456789012345678901234567890}',
    '{"a":"2026-01-05T10:00:00Z","b":"2026-01-05","c":"2026-13-05T10:00:00Z","e":" "}',
    '{"deep":{"er":{"x":1,"y":[{"z":2}],"z":{}}},"é":1,"a b":"t","quote\\"d":1}',
    '{"quantity":"3","price":"4,50","value":true,"when":"2026-01-05 10:00"}',
    '{"a":false,"a":"last","twice":{"k":1,"k":2.5}}',
]


def counted(shop: Shop) -> list[str]:  # noqa: F811
    """Every row of the registry, counted again; the order of columns is the registry's."""
    kinds = shop.columns(str(FIELDS))
    with shop.warehouse.session(write=True) as session:
        kept = session.query(
            "select received_at_utc_date, type, coalesce(event, '') as event, record "
            "from events.events"
        )
        rows = recount.fields(
            session, kept.itertuples(index=False, name=None), declared_types(shop.settings)
        )
        table = session.rows("again", rows, kinds)
        found = session.query(f"select {', '.join(kinds)} from {table}")
    return sorted(map(repr, found.astype(object).where(found.notna(), None).values.tolist()))


def registered(shop: Shop) -> list[str]:  # noqa: F811
    names = ", ".join(shop.columns(str(FIELDS)))
    found = shop.warehouse.query(f"select {names} from {FIELDS}")
    return sorted(map(repr, found.astype(object).where(found.notna(), None).values.tolist()))


def test_odd_values(shop: Shop) -> None:  # noqa: F811
    shop.land(
        *(text(messageId=f"t{n}", properties=Raw(odd)) for n, odd in enumerate(ODD)),
        *(text(messageId=f"i{n}", type="identify", traits=Raw(odd)) for n, odd in enumerate(ODD)),
        event(messageId="p", type="page", event=..., name="n", properties={"name": 5}),
        event(messageId="g", type="group", event=..., groupId="g", traits={"x": 1}),
        event(messageId="a", type="alias", event=..., previousId="p"),
        event(messageId="none", properties=...),
        event(messageId="text", properties="none", context={"locale": "de", "ip": "192.0.2.1"}),
    )
    shop.flatten()
    assert len(registered(shop)) > 40
    assert counted(shop) == registered(shop)


@pytest.mark.parametrize("day", ["2026-09-02", "2026-10-16"])
def test_days_of_the_samples(shop: Shop, day: str) -> None:  # noqa: F811
    samples = ROOT / "data/samples/rudderstack_firehose" / folder(day)
    (shop.landing / folder(day)).symlink_to(samples)
    shop.flatten()
    assert len(registered(shop)) > 200
    assert counted(shop) == registered(shop)
