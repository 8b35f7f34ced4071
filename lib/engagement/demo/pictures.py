"""Pictures of the invented products: a drawing per category, a colour per product."""

from __future__ import annotations

_DRAWINGS = {
    "Apparel": "M80 50l-34 18 14 30 16-8v72h88V90l16 8 14-30-34-18c-6 18-74 18-80 0z",
    "Footwear": "M50 80c0 20 6 28 30 30l60 36h54v-18c-30-4-52-18-74-44l-16-8c-8 12-38 14-54 4z",
    "Kitchen": "M62 60h96v84H76c-8 0-14-6-14-14zM158 76h22c14 0 14 46 0 46h-22v-16h16V92h-16z",
    "Home": "M104 46h32l34 62H70zM114 108h12v44h30v10H84v-10h30z",
    "Electronics": "M56 56h128v78H56zM66 66v58h108V66zM96 142h48v14H96z",
    "Outdoor": "M120 46l74 112H46zM120 84l-30 74h60z",
    "Beauty": "M104 46h32v22h-32zM96 74h48c10 0 14 6 14 16v72H82V90c0-10 4-16 14-16z",
    "Toys": "M52 106h60v56H52zM128 106h60v56h-60zM90 44h60v56H90z",
    "Books": "M60 52c24-8 44-6 58 4v100c-16-10-36-12-58-4z"
    "M180 52c-24-8-44-6-58 4v100c16-10 36-12 58-4z",
    "Garden": "M112 160v-46c-34 4-52-14-54-48 34 0 50 10 58 28"
    " 4-24 20-42 58-46 0 40-18 60-50 62v50z",
    "Pantry": "M88 46h64v18H88zM82 70h76l10 18v74H72V88z",
}


def drawing(category: str, number: int) -> str:
    """A picture as SVG; the same product has the same one.

    Parameters
    ----------
    category
        The product's category; one that is not known is drawn as a box.
    number
        The product's number, which gives the colour.
    """
    path = _DRAWINGS.get(category, "M60 60h120v90H60z")
    hue = number * 47 % 360
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 208" width="240" height="180" '
        'preserveAspectRatio="xMidYMid slice">'
        f'<rect width="240" height="208" fill="hsl({hue} 42% 88%)"/>'
        f'<path d="{path}" fill="hsl({hue} 38% 40%)" fill-rule="evenodd"/></svg>\n'
    )


def icon() -> str:
    """The shop's own sign."""
    return drawing("Home", 3)
