"""The invented shop: what it sells, its pages, its searches, its promotions."""

from dataclasses import dataclass
from functools import cache
from urllib.parse import quote

import numpy as np

from engagement.samples.text import Array, fragments, inside, json, members, money

HOST = "www.shop.example"
SITE = f"https://{HOST}"
SHOP = "Corner Shop"
CURRENCIES = ("USD", "EUR", "GBP")
_RATES = (100, 92, 79)


@dataclass(frozen=True)
class Category:
    """A department: its brands, the typical price, and what is looked for in it."""

    name: str
    slug: str
    code: str
    price: int
    spread: float
    brands: tuple[str, ...]
    products: tuple[str, ...]
    variants: tuple[str, ...]
    searches: tuple[str, ...]


@dataclass(frozen=True)
class Product:
    """One product; prices are cents, one per currency."""

    number: int
    product_id: str
    sku: str
    name: str
    brand: str
    category: int
    variant: str
    prices: tuple[int, ...]
    style: int
    weight: float
    page: int


@dataclass(frozen=True)
class Page:
    """A page of the web shop, and the name of the app's screen that shows the same."""

    path: str
    search: str
    title: str
    screen: str

    @property
    def url(self) -> str:
        """The whole address."""
        return SITE + self.path + self.search


@dataclass(frozen=True)
class Search:
    """What people type, in which category it ends up, and how many products it finds."""

    query: str
    category: int
    results: int
    page: int


# fmt: off
CATEGORIES = (
    Category("Apparel", "apparel", "APP", 3900, 0.45,
        ("Fjellvik", "Brisa Norte", "Tanager & Co", "Aldermoor"),
        ("Trail Tee", "Ridge Jacket", "Harbour Hoodie", "Linen Shirt", "Merino Sweater",
         "Everyday Chino", "Rain Shell", "Corduroy Overshirt", "Pima Polo", "Fleece Vest",
         "Running Shorts", "Thermal Leggings", "Down Parka", "Striped Longsleeve",
         "Organic Socks 3-Pack", "Knit Beanie"),
        ("green / M", "navy / L", "black / S", "sand / XL"),
        ("trail tee", "rain jacket", "hoodie", "merino sweater", "mens shirt", "warm socks")),
    Category("Footwear", "footwear", "FTW", 8900, 0.40,
        ("Velomere", "Fjellvik", "Umbra Peak", "Kitewell"),
        ("Trail Runner", "City Sneaker", "Leather Chelsea Boot", "Hiking Boot Mid",
         "Canvas Slip-On", "Recovery Slide", "Court Classic", "Road Racer 2", "Winter Boot",
         "Suede Loafer", "Kids Sneaker", "Water Sandal", "Wool Slipper", "Approach Shoe",
         "Gravel Clog", "Studio Trainer"),
        ("EU 42", "EU 38", "US 9", "US 7.5"),
        ("running shoes", "hiking boots", "sneakers women", "slippers", "chelsea boots",
         "winter boots")),
    Category("Kitchen", "kitchen", "KIT", 3200, 0.65,
        ("Kaffee & Söhne", "Maple Row", "Petalune", "Oakhurst Lane"),
        ("Café Mug “Größe L” ☕", "Pour-Over Set", "Cast Iron Skillet 10\"", "Chef's Knife 8\"",
         "Stoneware Bowl Set", "Burr Grinder", "Milk Frother", "Bamboo Cutting Board",
         "Sourdough Kit", "Enamel Kettle", "Glass Storage Set", "Espresso Cups, Set of 4",
         "Pepper Mill", "Linen Tea Towels", "Digital Scale", "Stand Mixer"),
        ("350 ml", "matte black", "cream", "1.2 l"),
        ("coffee grinder", "mug", "chef knife", "cast iron", "tee kanne", "stand mixer")),
    Category("Home", "home", "HOM", 5400, 0.70,
        ("Oakhurst Lane", "Lumenor", "Maple Row", "Nordlys"),
        ("Paper Lantern 和紙", "Linen Duvet Cover", "Ceramic Table Lamp", "Wool Throw",
         "Scented Candle", "Oak Side Table", "Blackout Curtains", "Memory Foam Pillow",
         "Jute Rug 5x7", "Wall Clock", "Storage Basket", "Bath Towel Set", "Floor Mirror",
         "Photo Frame 8x10", "Reed Diffuser", "Standing Desk"),
        ("natural", "grey", "queen", "sage"),
        ("table lamp", "和紙 ランプ", "duvet cover", "rug", "candle", "desk")),
    Category("Electronics", "electronics", "ELE", 9900, 0.75,
        ("Lumenor", "Hexa Play", "Quillon", "Zephyra"),
        ("Wireless Earbuds", "Noise-Cancelling Headphones", "Portable Speaker", "USB-C Hub 7-in-1",
         "Mechanical Keyboard", "Webcam 1080p", "27\" Monitor Arm", "Smart Plug 2-Pack",
         "Power Bank 20k", "E-Reader 7\"", "Action Camera", "Fitness Band", "Desk Lamp QI",
         "Travel Adapter", "Wireless Mouse", "Smart Thermostat"),
        ("black", "white", "graphite", "US plug"),
        ("earbuds", "usb c hub", "headphones noise cancelling", "keyboard", "power bank",
         "e-reader")),
    Category("Outdoor", "outdoor", "OUT", 7900, 0.70,
        ("Umbra Peak", "Fjellvik", "Kitewell", "Brisa Norte"),
        ("2-Person Tent", "Down Sleeping Bag", "Trekking Poles", "Daypack 22L", "Headlamp 400",
         "Titanium Spork", "Camp Stove", "Insulated Bottle 750", "Hammock", "Dry Bag 10L",
         "Camping Chair", "Compass", "First Aid Kit", "Water Filter", "Picnic Blanket",
         "Climbing Chalk Bag"),
        ("orange", "forest", "regular", "22 l"),
        ("tent", "headlamp", "sleeping bag", "backpack", "water bottle", "camping stove")),
    Category("Beauty", "beauty", "BEA", 2400, 0.45,
        ("Petalune", "Zephyra", "Botanika 7", "Nordlys"),
        ("Vitamin C Serum", "Day Cream SPF 30", "Clay Mask", "Lip Balm Trio", "Shampoo Bar",
         "Body Lotion", "Eau de Parfum 50 ml", "Beard Oil", "Hand Cream", "Face Cleanser",
         "Night Serum", "Sunscreen Stick", "Hair Mask", "Bath Salts", "Nail Care Set",
         "Crème Brûlée Body Scrub"),
        ("30 ml", "50 ml", "unscented", "rose"),
        ("serum", "crème visage", "sunscreen", "shampoo bar", "lip balm", "parfum")),
    Category("Toys", "toys", "TOY", 2900, 0.55,
        ("Hexa Play", "Kitewell", "Maple Row"),
        ("Wooden Train Set", "Puzzle 1000 Pieces", "Building Blocks 120", "Plush Fox",
         "Strategy Game: Harbours", "Card Game “Quick!”", "Science Kit", "Marble Run",
         "Doll House", "Kite", "Modelling Clay", "Balance Bike", "Memory Game", "Robot Kit",
         "Bath Toys", "Art Easel"),
        ("ages 3+", "ages 6+", "ages 8+", "large"),
        ("board game", "puzzle", "building blocks", "plush fox", "science kit", "marble run")),
    Category("Books", "books", "BOO", 1800, 0.35,
        ("Quillon Press", "Paper Harbour", "Nordlys Verlag"),
        ("The Quiet Fjord", "A Field Guide to Rain", "Bread, Slowly", "Sixty Short Walks",
         "Notes on Bicycles", "The Lantern Maker", "Maps of Nowhere", "Der stille Garten",
         "Knots & Hitches", "Winter Recipes", "The Cartographer's Cat", "Small Engines",
         "Letters from the Coast", "Night Trains", "Pottery at Home", "One Hundred Birds"),
        ("hardcover", "paperback", "illustrated", "signed"),
        ("cookbook", "night trains", "bird guide", "garten buch", "novel", "walks")),
    Category("Garden", "garden", "GAR", 3400, 0.60,
        ("Botanika 7", "Aldermoor", "Oakhurst Lane"),
        ("Pruning Shears", "Raised Bed Kit", "Terracotta Pot 12\"", "Watering Can",
         "Herb Seeds Mix", "Garden Gloves", "Compost Bin", "Solar Lights 8-Pack", "Hose Reel",
         "Bird Feeder", "Lavender Plant", "Hand Trowel", "Plant Mister", "Fire Pit",
         "Wind Chime", "Potting Bench"),
        ("green", "terracotta", "steel", "6-pack"),
        ("raised bed", "pruning shears", "solar lights", "seeds", "bird feeder", "plant pot")),
    Category("Pantry", "pantry", "PAN", 1200, 0.40,
        ("Kaffee & Söhne", "Tanager & Co", "Brisa Norte"),
        ("House Espresso 1 kg", "Filter Roast 500 g", "Single Origin Huila", "Decaf Blend",
         "Matcha Tin", "Earl Grey Loose", "Dark Chocolate 85 %", "Wildflower Honey",
         "Olive Oil 750 ml", "Sea Salt Flakes", "Granola", "Chilli Crisp", "Oat Biscuits",
         "Jalapeño Jam", "Maple Syrup", "Spice Box"),
        ("whole bean", "ground", "500 g", "organic"),
        ("espresso beans", "matcha", "dark chocolate", "olive oil", "decaf", "jalapeño")),
)

WITHOUT_RESULTS = (
    "gift card 500", "ps5", "dog food", "lego star wars", "wedding dress", "iphone case",
    "コーヒー豆 1kg", "grüner tee bio 5kg", "snow tires", "' or 1=1 --", "asdfgh",
    "100% cotton; sale", "trampolin", "protein pulver", "\"gift wrap\"", "sofa bed",
)
PROMOTIONS = (
    ("promo-autumn", "Autumn edit", "hero-banner", "home_banner_1"),
    ("promo-freeship", "Free shipping over 60", "top-bar", "home_top"),
    ("promo-coffee", "Coffee week", "tile", "home_tile_3"),
)
COUPONS = (("WELCOME10", 10), ("SAVE5", 5), ("THANKYOU15", 15), ("SALE20", 20))
REFUSED_COUPONS = ("SUMMER25", "FREE100", "WELCOME10 ", "bf2025")
PAYMENT_METHODS = ("card", "paypal", "apple_pay", "google_pay", "klarna", "gift_card")
PAYMENT_WEIGHTS = (52, 24, 9, 6, 6, 3)
# fmt: on

HOME, CART, CHECKOUT, THANKS, LOGIN, REGISTER, ORDERS, PREFERENCES, WISHLIST, HELP, SALE, STORY = (
    range(12)
)
_STATIC = (
    Page("/", "", f"{SHOP} – Home", "Home"),
    Page("/cart", "", "Your cart", "Cart"),
    Page("/checkout", "", "Checkout", "Checkout"),
    Page("/checkout/thank-you", "", "Thank you", "Thank You"),
    Page("/login", "", "Sign in", "Login"),
    Page("/register", "", "Create an account", "Register"),
    Page("/account/orders", "", "Your orders", "Orders"),
    Page("/account/preferences", "", "Your preferences", "Preferences"),
    Page("/wishlist", "", "Saved for later", "Wishlist"),
    Page("/help/shipping", "", "Shipping & returns", "Help"),
    Page("/sale", "", f"Sale – {SHOP}", "Sale"),
    Page("/stories/slow-coffee", "", "Stories: slow coffee", "Story"),
)


@dataclass(frozen=True)
class Catalogue:
    """All of the shop, with JSON fragments ready for use.

    Fragments of products have the shape (currencies, products); those of lists (currencies,
    categories, pages of the list).
    """

    products: tuple[Product, ...]
    pages: tuple[Page, ...]
    searches: tuple[Search, ...]
    product_page: Array
    category_of: Array
    category_page: Array
    search_page: Array
    search_range: Array
    edges: Array
    by_group: Array
    product_head: Array
    product_middle: Array
    product_tail: Array
    listed: Array
    filtered: Array
    searched: Array
    page_before: Array
    page_after: Array
    page_referrer: Array
    page_screen: Array
    promotions: Array

    def choose(self, category: Array, style: Array, luck: Array) -> Array:
        """Return one product number per row, by popularity within a category and a style."""
        group = category.astype(np.int64) * 2 + style
        return self.by_group[np.searchsorted(self.edges, group + luck, side="right")]

    def line(self, product: int, currency: int, position: int, quantity: int) -> bytes:
        """Return one product of a cart or an order as JSON."""
        return b"{%b%d%b%d%b" % (
            self.product_head[currency, product],
            position,
            self.product_middle[currency, product],
            quantity,
            self.product_tail[currency, product],
        )


@cache
def catalogue() -> Catalogue:
    """Return the shop, which is the same for every seed."""
    rng = np.random.default_rng(7)
    pages = list(_STATIC)
    category_page = np.arange(len(CATEGORIES)) + len(pages)
    pages += [Page(f"/c/{c.slug}", "", f"{c.name} – {SHOP}", "Category") for c in CATEGORIES]
    products = _products(rng, pages)
    searches: list[Search] = []
    ranges = []
    for number, category in enumerate(CATEGORIES):
        begin = len(searches)
        searches += [_search(rng, pages, query, number, True) for query in category.searches]
        ranges.append((begin, len(searches)))
    begin = len(searches)
    searches += [_search(rng, pages, query, -1, False) for query in WITHOUT_RESULTS]
    ranges.append((begin, len(searches)))
    edges, by_group = _popularity(products)
    heads, middles, tails = _product_fragments(products)
    lists = [_lists(products, currency) for currency in range(len(CURRENCIES))]
    return Catalogue(
        products=tuple(products),
        pages=tuple(pages),
        searches=tuple(searches),
        product_page=np.array([product.page for product in products]),
        category_of=np.array([product.category for product in products]),
        category_page=category_page,
        search_page=np.array([search.page for search in searches]),
        search_range=np.array(ranges),
        edges=edges,
        by_group=by_group,
        product_head=heads,
        product_middle=middles,
        product_tail=tails,
        listed=np.stack([listed for listed, _ in lists]),
        filtered=np.stack([filtered for _, filtered in lists]),
        searched=fragments(json({"query": s.query, "results": s.results}) for s in searches),
        page_before=fragments(b'"path":%b,"referrer":"' % json(page.path) for page in pages),
        page_after=fragments(page_after(page, page.search) for page in pages),
        page_referrer=fragments(
            b'%b","referring_domain":"%b",' % (inside(page.url), HOST.encode()) for page in pages
        ),
        page_screen=fragments(json(page.screen) for page in pages),
        promotions=fragments(
            json({"promotion_id": i, "name": n, "creative": c, "position": p})
            for i, n, c, p in PROMOTIONS
        ),
    )


def page_after(page: Page, search: str) -> bytes:
    """Return the members of ``context.page`` that follow the referring domain."""
    url = SITE + page.path + search
    return members({"search": search, "tab_url": url, "title": page.title, "url": url})


def _products(rng: np.random.Generator, pages: list[Page]) -> list[Product]:
    total = sum(len(category.products) for category in CATEGORIES)
    ranks = rng.permutation(total) + 1
    products: list[Product] = []
    for number, category in enumerate(CATEGORIES):
        for place, name in enumerate(category.products):
            product = len(products)
            cents = float(category.price * np.exp(rng.normal(0.0, category.spread)))
            ending = (95, 99, 50, 0)[int(rng.integers(4))]
            price = max(300, int(cents) // 100 * 100 + ending)
            product_id = f"prd-{product + 1:04d}"
            path = f"/p/{product_id}.html"
            products.append(
                Product(
                    number=product,
                    product_id=product_id,
                    sku=f"{category.code}-{place + 1:03d}",
                    name=name,
                    brand=category.brands[int(rng.integers(len(category.brands)))],
                    category=number,
                    variant=category.variants[int(rng.integers(len(category.variants)))],
                    prices=tuple(price * rate // 100 for rate in _RATES),
                    style=int(rng.integers(2)),
                    weight=float(ranks[product]) ** -0.8,
                    page=len(pages),
                )
            )
            pages.append(Page(path, "", name, "Product"))
    return products


def _search(
    rng: np.random.Generator, pages: list[Page], query: str, category: int, finds: bool
) -> Search:
    results = int(rng.integers(3, 40)) if finds else 0
    pages.append(Page("/search", f"?q={quote(query)}", f"Search: {query}", "Search"))
    return Search(query, category, results, len(pages) - 1)


def _popularity(products: list[Product]) -> tuple[Array, Array]:
    """Return cumulative weights per group (category and style), offset by the group's number."""
    edges: list[float] = []
    numbers: list[int] = []
    for category in range(len(CATEGORIES)):
        for style in range(2):
            group = [product for product in products if product.category == category]
            weights = np.array([p.weight * (4.0 if p.style == style else 1.0) for p in group])
            cumulative = np.cumsum(weights) / weights.sum()
            cumulative[-1] = 1.0
            edges += (cumulative + category * 2 + style).tolist()
            numbers += [product.number for product in group]
    return np.array(edges), np.array(numbers + numbers[-1:])


def _product_fragments(products: list[Product]) -> tuple[Array, Array, Array]:
    heads, middles, tails = [], [], []
    for currency, code in enumerate(CURRENCIES):
        for product in products:
            image = f"{SITE}/img/{product.sku.lower()}.jpg"
            head = members(
                {
                    "brand": product.brand,
                    "category": CATEGORIES[product.category].name,
                    "currency": code,
                    "image_url": image,
                    "name": product.name,
                }
            )
            tail = members(
                {
                    "sku": product.sku,
                    "url": f"{SITE}/p/{product.product_id}.html",
                    "variant": product.variant,
                }
            )
            heads.append(head + b',"position":')
            price = money(product.prices[currency])
            identity = product.product_id.encode()
            middles.append(b',"price":%b,"product_id":"%b","quantity":' % (price, identity))
            tails.append(b",%b}" % tail)
    shape = (len(CURRENCIES), len(products))
    return (
        fragments(heads).reshape(shape),
        fragments(middles).reshape(shape),
        fragments(tails).reshape(shape),
    )


def _lists(products: list[Product], currency: int) -> tuple[Array, Array]:
    """Return the properties of list views and of filtered lists, shape (categories, 3)."""
    listed, filtered = [], []
    filters = (("price", "under-50"), ("brand", "top-rated"), ("colour", "black"))
    for number, category in enumerate(CATEGORIES):
        mine = sorted((p for p in products if p.category == number), key=lambda p: -p.weight)
        for part in range(3):
            shown = [
                {
                    "product_id": product.product_id,
                    "sku": product.sku,
                    "name": product.name,
                    "price": product.prices[currency] / 100,
                    "position": place + 1 + part * 3,
                    "category": category.name,
                }
                for place, product in enumerate(mine[part * 3 : part * 3 + 3])
            ]
            common: dict[str, object] = {"list_id": category.slug, "category": category.name}
            listed.append(json(common | {"products": shown}))
            kind, value = filters[part]
            chosen = {
                "filters": [{"type": kind, "value": value}],
                "sorts": [{"type": "price", "value": "asc"}],
            }
            filtered.append(json(common | chosen | {"products": shown[:2]}))
    shape = (len(CATEGORIES), 3)
    return fragments(listed).reshape(shape), fragments(filtered).reshape(shape)
