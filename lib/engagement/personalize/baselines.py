"""Recommendations made here: what a shop can show before it pays for any, and what to measure by.

Rows are counted in SQL (the models of the layer ``recommendations``); here are the lists that need
a matrix. Why scipy's truncated SVD: docs/decisions/0030.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from engagement.personalize.ranking import SEED, Floats, Integers

METHODS = (
    "random",
    "popular",
    "trending",
    "popular_in_category",
    "recently_viewed",
    "co_visitation",
    "matrix_factorisation",
)
"""From the floor up. Whatever a method knows nothing of comes after, in order of popularity."""

_CELLS = 4_000_000
"""Scores that are looked at together: 32 MB."""


@dataclass(frozen=True)
class Histories:
    """What is known of some people: ``interest`` in each product and when it was met last.

    Both have shape (people, products). Interests are in units of a purchase made today.
    """

    interest: sparse.csr_matrix
    last: sparse.csr_matrix

    def __len__(self) -> int:
        return int(self.interest.shape[0])

    def parts(self) -> Iterator[tuple[slice, Histories]]:
        """Some people at a time, so that a score for every product fits into memory."""
        step = max(1, _CELLS // max(1, self.interest.shape[1]))
        for start in range(0, len(self), step):
            rows = slice(start, min(start + step, len(self)))
            yield rows, Histories(self.interest[rows], self.last[rows])


@dataclass(frozen=True)
class Learned:
    """What the methods know.

    Attributes
    ----------
    products
        Ids, sorted; the columns of everything else.
    popular, trend
        Sums over people, for each product.
    order
        Place of each product by popularity, then id: what decides between equals.
    category
        Number of each product's category, -1 without one; ``categories`` are their names.
    neighbours
        Co-visitation, shape (products, products); a product is its own nearest, with 1.
    factors
        Shape (products, rank), columns orthonormal.
    people_of, people
        People who met each product, and how many there are.
    """

    products: NDArray[np.object_]
    popular: Floats
    trend: Floats
    order: Integers
    category: Integers
    categories: tuple[str, ...]
    neighbours: sparse.csr_matrix
    factors: Floats
    people_of: Integers
    people: int


def matrix(
    rows: Integers, columns: Integers, values: Floats, shape: tuple[int, int]
) -> sparse.csr_matrix:
    """A sparse matrix, its rows sorted."""
    made = sparse.csr_matrix((values, (rows, columns)), shape=shape, dtype=np.float64)
    made.sort_indices()
    return made


def factorise(interest: sparse.csr_matrix, rank: int) -> Floats:
    """Directions in which people's interests in products differ most: a truncated SVD.

    A person's score for all products is their history, projected onto these: nobody has to be
    known beforehand, and nothing is trained again when somebody comes back.

    Parameters
    ----------
    interest
        Shape (people, products); log(1 + x) of it is taken apart, so that ten times the interest is
        not ten times the weight.

    Returns
    -------
    array of shape (products, at most rank)
        Fewer columns where the matrix has no more directions.
    """
    people, products = interest.shape
    faded = interest.copy()
    faded.data = np.log1p(faded.data)
    if not faded.nnz:
        return np.zeros((products, 0))
    if min(people, products) <= rank + 1:
        _, strengths, directions = np.linalg.svd(faded.toarray(), full_matrices=False)
    else:
        start = np.ones(min(people, products))
        _, strengths, directions = svds(faded, k=rank, v0=start, return_singular_vectors="vh")
    strongest = np.argsort(-strengths, kind="stable")[:rank]
    kept = strongest[strengths[strongest] > 1e-9 * strengths.max()]
    found: Floats = np.ascontiguousarray(directions[kept].T)
    return found


def scores(
    method: str, learned: Learned, histories: Histories, generator: np.random.Generator
) -> Floats:
    """How much a method wants to show each product to each person, shape (people, products).

    What it knows nothing of has 0.
    """
    people, products = len(histories), len(learned.products)
    if method == "random":
        return generator.random((people, products))
    if method == "popular":
        return np.broadcast_to(learned.popular, (people, products))
    if method == "trending":
        return np.broadcast_to(learned.trend, (people, products))
    if method == "popular_in_category":
        return _in_category(learned, histories)
    if method == "recently_viewed":
        return _recently(histories)
    if method == "co_visitation":
        return (histories.interest @ learned.neighbours).toarray()  # type: ignore[no-any-return]
    if method == "matrix_factorisation":
        known = histories.interest.copy()
        known.data = np.log1p(known.data)
        projected: Floats = (known @ learned.factors) @ learned.factors.T
        return projected
    raise ValueError(f"there is no method '{method}'")


def _in_category(learned: Learned, histories: Histories) -> Floats:
    """Popularity, for products of the category that the person is most interested in."""
    products = len(learned.products)
    has = np.flatnonzero(learned.category >= 0)
    if not len(has):
        return np.zeros((len(histories), products))
    member = matrix(
        has, learned.category[has], np.ones(len(has)), (products, len(learned.categories))
    )
    interest = (histories.interest @ member).toarray()
    favourite = np.round(interest, 6).argmax(axis=1)
    known = interest.max(axis=1) > 0
    same = (learned.category[None, :] == favourite[:, None]) & known[:, None]
    return np.where(same, learned.popular, 0.0)


def _recently(histories: Histories) -> Floats:
    """1 for what was met last, then 1/2, 1/3, …; of one second, the larger id first."""
    last = histories.last.tocoo()
    found = np.zeros(histories.last.shape)
    order = np.lexsort((-last.col, -last.data, last.row))
    rows, columns = last.row[order], last.col[order]
    starts = np.searchsorted(rows, np.arange(len(histories)))
    found[rows, columns] = 1.0 / (np.arange(len(rows)) - starts[rows] + 1)
    return found


def learn(
    products: NDArray[np.object_],
    affinities: pd.DataFrame,
    neighbours: pd.DataFrame,
    categories: pd.Series,
    rank: int,
    *,
    factors: bool = True,
) -> Learned:
    """Learn from people's interests.

    Parameters
    ----------
    products
        Ids, sorted and unique.
    affinities
        ``person`` (a number from 0), ``product`` (likewise, its place among ``products``),
        ``weight``, ``interest``, ``trend``; a row for each pair.
    neighbours
        ``product``, ``other`` (numbers) and ``score``.
    categories
        Category of each product, missing where unknown; in the order of ``products``.
    """
    size = len(products)
    product = affinities["product"].to_numpy(np.int64)
    popular = np.bincount(product, affinities["weight"].to_numpy(np.float64), size) / 1e3
    trend = np.bincount(product, affinities["trend"].to_numpy(np.float64), size) / 1e6
    order = np.empty(size, dtype=np.int64)
    order[np.lexsort((np.arange(size), -popular))] = np.arange(size)
    names = sorted(set(categories.dropna()))
    category = categories.map({name: n for n, name in enumerate(names)}).fillna(-1)
    near = sparse.identity(size, dtype=np.float64, format="csr") + matrix(
        neighbours["product"].to_numpy(np.int64),
        neighbours["other"].to_numpy(np.int64),
        neighbours["score"].to_numpy(np.float64),
        (size, size),
    )
    person = affinities["person"].to_numpy(np.int64)
    people = int(person.max()) + 1 if len(person) else 0
    interest = affinities["interest"].to_numpy(np.float64) / 1e6 * _VIEWS
    directions = (
        factorise(matrix(person, product, interest, (people, size)), rank)
        if factors
        else np.zeros((size, 0))
    )
    return Learned(
        products,
        popular,
        trend,
        order,
        category.to_numpy(np.int64),
        tuple(names),
        near.tocsr(),
        directions,
        np.bincount(product, minlength=size).astype(np.int64),
        len(np.unique(person)),
    )


_VIEWS = 5.0
"""A purchase in views, by the default weights: before the logarithm, so that it bends somewhere."""


def histories(affinities: pd.DataFrame, people: int, products: int) -> Histories:
    """What is known of people 0 to ``people`` - 1, from rows as :func:`learn` takes them.

    ``last`` is when each product was met last.
    """
    person = affinities["person"].to_numpy(np.int64)
    product = affinities["product"].to_numpy(np.int64)
    shape = (people, products)
    interest = affinities["interest"].to_numpy(np.float64) / 1e6 * _VIEWS
    last = affinities["last"].to_numpy(np.float64)
    return Histories(matrix(person, product, interest, shape), matrix(person, product, last, shape))


def generator() -> np.random.Generator:
    """The same every time."""
    return np.random.default_rng(SEED)
