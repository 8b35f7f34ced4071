"""The shop's files: bundled scripts, the catalogue and pictures, in one folder that is served."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from engagement import owner_only
from engagement.demo import pictures
from engagement.demo.errors import DemoError
from engagement.samples import catalogue as shop

_PROMOTIONS = {
    "promo-autumn": ("/c/apparel", "Warm clothes for cold days"),
    "promo-freeship": ("/c/home", "With standard delivery, until further notice"),
    "promo-coffee": ("/c/pantry", "Coffee, tea and treats to go with them"),
}
"""Where a promotion leads, and what it says."""


def build(source: Path, site: Path) -> None:
    """Make the shop's folder, in one step: a server finds the old one or the new one.

    Parameters
    ----------
    source
        The folder ``demo`` of the project, with its packages installed.
    site
        The folder to make.

    Raises
    ------
    DemoError
        When packages are missing, or the scripts cannot be bundled.
    """
    draft = site.with_name(site.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    owner_only.folder(draft / "img")
    for page in ("index.html", "mail.html", "shop.css"):
        owner_only.write(draft / page, (source / "src" / page).read_bytes())
    _bundle(source, draft / "shop.js")
    goods = catalogue()
    owner_only.write(
        draft / "catalogue.json", json.dumps(goods, ensure_ascii=False, indent=1) + "\n"
    )
    owner_only.write(draft / "icon.svg", pictures.icon())
    drawn = [
        (one["category"], number, one["image"]) for number, one in enumerate(goods["products"])
    ]
    drawn += [
        (one["name"], number * 5, one["image"]) for number, one in enumerate(goods["categories"])
    ]
    for category, number, address in drawn:
        owner_only.write(draft / address.removeprefix("/"), pictures.drawing(category, number))
    owner_only.tighten(draft)
    if site.exists():
        shutil.rmtree(site)
    draft.rename(site)


def _bundle(source: Path, target: Path) -> None:
    esbuild = source / "node_modules/.bin/esbuild"
    if not esbuild.exists():
        raise DemoError(
            f"{source.name}/node_modules is missing: 'make demo' installs it (it needs Node.js 18 "
            "or newer, with npm)"
        )
    command = [
        *(str(esbuild), str(source / "src/main.js"), "--bundle", "--format=esm", "--minify"),
        *("--target=es2022", "--log-level=warning", f"--outfile={target}"),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - the project's own bundler
            command, capture_output=True, text=True, check=False, cwd=source
        )
    except OSError as error:
        raise DemoError(
            f"the shop's scripts cannot be bundled: {error.strerror}; is Node.js 18 or newer there?"
        ) from error
    if done.returncode:
        raise DemoError(f"the shop's scripts cannot be bundled:\n{done.stderr.strip()}")


def catalogue() -> dict[str, Any]:
    """What the shop sells, as its scripts read it: the generator's products, prices in cents."""
    goods = shop.catalogue()
    return {
        "categories": [
            {"name": one.name, "slug": one.slug, "image": f"/img/{one.slug}.svg"}
            for one in shop.CATEGORIES
        ],
        "products": [
            {
                "product_id": one.product_id,
                "sku": one.sku,
                "name": one.name,
                "brand": one.brand,
                "category": shop.CATEGORIES[one.category].name,
                "variant": one.variant,
                "price": one.prices[0],
                "weight": round(one.weight, 6),
                "image": f"/img/{one.sku.lower()}.svg",
            }
            for one in goods.products
        ],
        "coupons": dict(shop.COUPONS),
        "promotions": [
            {
                "promotion_id": identity,
                "name": name,
                "creative": creative,
                "position": position,
                "path": _PROMOTIONS[identity][0],
                "words": _PROMOTIONS[identity][1],
            }
            for identity, name, creative, position in shop.PROMOTIONS
        ],
    }
