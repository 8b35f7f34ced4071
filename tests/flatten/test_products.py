"""Products sent as an object are a list, and what is no list of products is set aside."""

from __future__ import annotations

import json
from typing import Any

from engagement.flatten import tracking_plan
from tests.flatten.conftest import Raw, Shop, event, text
from tests.flatten.test_collisions import taken_in, way  # noqa: F401 (a fixture)

CUP, POT = '{"product_id":"P-1","price":10.5}', '{"price":20,"product_id":"P-2"}'

# What was sent as products, what the column gets, and what goes to the discards.
CASES: list[tuple[str, str | None, str | None]] = [
    (f"[{CUP},{POT}]", f"[{CUP},{POT}]", None),
    (f'{{"0":{CUP},"3":{POT}}}', f"[{CUP},{POT}]", None),
    # As numbers, not as texts; in whatever order they stand.
    (f'{{"10":{CUP},"9":{POT}}}', f"[{POT},{CUP}]", None),
    (f'{{"010":{CUP},"9":{POT},"00":{CUP}}}', f"[{CUP},{POT},{CUP}]", None),
    (f'{{"99999999999999999999":{CUP},"3":{POT}}}', f"[{POT},{CUP}]", None),
    # All values are objects: in the record's order.
    (f'{{"b":{CUP},"a":{POT}}}', f"[{CUP},{POT}]", None),
    (f'{{"P-1":{{}},"1":{POT}}}', f"[{{}},{POT}]", None),
    # One product, whatever it holds.
    (CUP, f"[{CUP}]", None),
    (f'{{"product_id":"P-1","of":{POT}}}', f'[{{"product_id":"P-1","of":{POT}}}]', None),
    (f'{{"1":{CUP},"a":1}}', f'[{{"1":{CUP},"a":1}}]', None),
    (
        '{"product_id": "\\u00e9 }, {", "price" : 1.10e1}',
        '[{"product_id":"é }, {","price":11.0}]',
        None,
    ),
    (f'{{"-1":{CUP},"1.5":{POT}}}', f"[{CUP},{POT}]", None),
    # A member that is no product stays in its place, and the whole is set aside too.
    (f'{{"0":{CUP},"1":"x","2":null}}', f'[{CUP},"x",null]', f'{{"0":{CUP},"1":"x","2":null}}'),
    ('{"1":[1],"0":2.50}', "[2.5,[1]]", '{"1":[1],"0":2.5}'),
    # A text that holds a list is one; what else there is, is none.
    (json.dumps(f"[ {CUP} ]"), f"[ {CUP} ]", None),
    ('"P-1, P-2"', None, "P-1, P-2"),
    (json.dumps(CUP), None, CUP),
    ("7", None, "7"),
    ("1e1", None, "10"),
    ("true", None, "true"),
    # Blank.
    ("{}", None, None),
    ("[]", None, None),
    ('""', None, None),
    ("null", None, None),
]


def landed(**more: Any) -> list[str]:
    """An order of each case."""
    return [
        text(
            messageId=f"{number:02}",
            event="Seen",
            properties=Raw(f'{{"order_id":"{number:02}","products":{products}}}'),
            **more,
        )
        for number, (products, *_) in enumerate(CASES)
    ]


def test_products_are_a_list_whatever_they_were_sent_as(shop: Shop, way: str) -> None:  # noqa: F811
    taken_in(shop, way, *landed())
    rows = shop.rows("select id, order_id, products from events.seen where id < 'a'")
    found = {key: products for key, order_id, products in rows if key == order_id}
    discards = dict(
        shop.rows(
            "select row_id, column_value from events.discards where table_name = 'seen' "
            "and column_name = 'products' and reason = 'not a list of products'"
        )
    )
    keys = [f"{number:02}" for number in range(len(CASES))]
    assert [
        (case[0], found[key], discards.get(key)) for key, case in zip(keys, CASES, strict=True)
    ] == CASES
    # Nothing else is made of what is in an object.
    assert [name for name in shop.columns("events.seen") if "product" in name] == ["products"]
    assert len(shop.rows("select 1 from events.discards")) == len(discards)


def test_products_have_several_names_and_places(shop: Shop, way: str) -> None:  # noqa: F811
    taken_in(
        shop,
        way,
        text(messageId="1", properties=Raw(f'{{"Products":{{"1":{CUP}}},"products":[]}}')),
        text(messageId="2", properties=Raw(f'{{"products":{{"1":{CUP}}},"Products":[{POT}]}}')),
        text(messageId="3", properties=Raw(f'{{"Products":[{POT}],"products":{{"1":{CUP}}}}}')),
        text(
            messageId="4",
            properties=Raw(f'{{"products":[{POT}]}}'),
            userProperties=Raw(f'{{"products":{CUP}}}'),
        ),
        # Such a property of a property is none of the list.
        text(messageId="5", properties=Raw(f'{{"cart":{{"products":{CUP}}}}}')),
    )
    assert shop.rows("select products from events.seen where id < 'a' order by id") == [
        (f"[{CUP}]",),
        (f"[{POT}]",),
        (f"[{CUP}]",),
        (f"[{CUP}]",),
        (None,),
    ]
    assert shop.rows("select cart_products_product_id from events.seen where id = '5'") == [
        ("P-1",)
    ]


def test_only_products_of_tracks_are_a_list(shop: Shop) -> None:
    products = Raw(f'{{"0":{CUP}}}')
    shop.land(
        text(messageId="1", type="page", properties=Raw(f'{{"products":{products}}}')),
        text(messageId="2", type="identify", traits=Raw(f'{{"products":{products}}}')),
        text(messageId="3", properties=Raw(f'{{"items":{products}}}')),
    )
    shop.flatten()
    assert shop.rows("select products_0_product_id from events.pages") == [("P-1",)]
    assert shop.rows("select products_0_product_id from events.identifies") == [("P-1",)]
    assert shop.rows("select items_0_product_id from events.seen") == [("P-1",)]


def test_the_plan_that_was_seen_knows_products_sent_as_an_object(shop: Shop) -> None:
    shop.land(
        event(messageId="1", properties={"products": {"0": {"product_id": "P-1", "price": 1}}}),
        event(messageId="2", properties={"products": {"0": {"product_id": "P-1"}}}),
        event(messageId="3", properties={"products": [{"product_id": "P-1"}]}),
        event(messageId="4"),
    )
    shop.flatten()
    plan = tracking_plan(shop.warehouse, shop.settings)
    row = plan[(plan["table"] == "events.seen") & (plan["property"] == "products")]
    assert row.drop(columns=["table", "property"]).to_numpy().tolist() == [
        ["varchar", "2026-01-05", 3, 0.75]
    ]


def test_a_large_object_stops_nothing(shop: Shop) -> None:
    """Of very many members none is moved, since one engine would take minutes for it."""
    members = {str(number): {"product_id": f"P-{number}"} for number in range(5_000)}
    few = dict(list(members.items())[:1_000])
    shop.land(
        event(messageId="1", properties={"products": dict(reversed(members.items()))}),
        event(messageId="2", properties={"products": dict(reversed(few.items()))}),
    )
    shop.flatten()
    first, last = "json_items(products)[1]", "element_at(json_items(products), -1)"
    rows = shop.rows(
        f"select json_text({first}, '$.product_id'), json_text({last}, '$.product_id') "
        "from events.seen order by id"
    )
    assert rows == [("P-4999", "P-0"), ("P-0", "P-999")]
