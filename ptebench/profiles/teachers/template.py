"""The template teacher: profiles from counts, without a language model."""

import re

import numpy as np
import polars as pl
import scipy.sparse as sp
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

from ptebench.profiles.evidence.cards import Cards
from ptebench.profiles.schema.fields import FIELDS, PHRASES, layout, normalise, usable
from ptebench.profiles.schema.tables import profiles_frame
from ptebench.provenance import digest

FEATURES = 8192
MARKS = re.compile(r"[^\w\s'-]+")
CHUNK = 1024
FILLERS = ("general reader", "everyday shopper", "curious newcomer", "casual browser", "broad taste",
           "popular picks", "new things", "good value", "everyday use", "variety")  # fmt: skip


def terms(text: str) -> list[str]:
    """Return the words of a text and the pairs of neighbouring words, none across a stop word or a mark."""
    result = []
    for run in MARKS.split(text):
        before = None
        for word in run.split():
            word = word.strip("'-")
            if len(word) < 3 or word in ENGLISH_STOP_WORDS or not word.replace("-", "").replace("'", "").isalpha():
                before = None
                continue
            result.append(word)
            if before is not None:
                result.append(f"{before} {word}")
            before = word
    return result


def membership(values: np.ndarray, offsets: np.ndarray, columns: int) -> sp.csr_matrix:
    """Return a ragged column as a matrix (rows, columns) of counts whose rows sum to one (or zero)."""
    lengths = np.diff(offsets)
    weights = np.repeat(1 / np.maximum(lengths, 1), lengths).astype(np.float32)
    matrix = sp.csr_matrix((weights, values, offsets), shape=(len(lengths), columns))
    matrix.sum_duplicates()
    return matrix


def scaled(matrix: sp.spmatrix) -> sp.csr_matrix:
    """Return a matrix whose rows have length one (or zero)."""
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(1)).ravel())
    return (sp.diags(1 / np.where(norms > 0, norms, 1)) @ matrix).tocsr().astype(np.float32)


class Template:
    """Writes profiles from counts: majority categories and brands, and the keyphrases of highest TF-IDF.

    Fitted on the cards of the items in `train` (one ragged row a training user) and on nothing else.
    """

    def __init__(self, cards: Cards, values: np.ndarray, offsets: np.ndarray):
        count = len(cards.title)
        items_of_training = np.unique(values)
        texts = [f"{t}. {d}" for t, d in zip(cards.title, cards.description)]
        many = len(items_of_training) >= 50
        vectorizer = TfidfVectorizer(
            analyzer=terms, max_features=FEATURES, sublinear_tf=True, dtype=np.float32,
            min_df=2 if many else 1, max_df=0.3 if many else 1.0,
        )  # fmt: skip
        try:
            vectorizer.fit([texts[i] for i in items_of_training])
            phrases, self.keyphrases = vectorizer.get_feature_names_out().tolist(), vectorizer.transform(texts)
        except ValueError:  # sklearn's word for cards without a single usable word
            phrases, self.keyphrases = [], sp.csr_matrix((count, 0), dtype=np.float32)
        roles, self.roles = self._roles(cards, items_of_training)
        self.names = (roles, phrases)
        self.train = membership(values, offsets, count)
        # people are fond of what is rare: the popular order fills profiles that the evidence leaves short
        self.common = [
            np.argsort(-np.asarray(m[items_of_training].sum(0)).ravel(), kind="stable")[:20] for m in self._matrices
        ]

    @property
    def _matrices(self):
        return self.roles, self.keyphrases

    @staticmethod
    def _roles(cards: Cards, items_of_training: np.ndarray) -> tuple[list[str], sp.csr_matrix]:
        """Return role names and the matrix (items, roles), rarer roles heavier."""
        number_of: dict[str, int] = {}
        rows, columns = [], []
        for item, (categories, brand) in enumerate(zip(cards.categories, cards.brand)):
            names = [f"{normalise(c)} fan" for c in categories] + ([f"{normalise(brand)} follower"] if brand else [])
            for name in dict.fromkeys(n for n in names if usable(n)):
                rows.append(item)
                columns.append(number_of.setdefault(name, len(number_of)))
        shape = (len(cards.title), len(number_of))
        matrix = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
        frequency = np.asarray((matrix[items_of_training] > 0).sum(0)).ravel()
        # only what training items carry may be named: a role of cold items alone has weight zero
        weight = np.where(frequency > 0, np.log((1 + len(items_of_training)) / (1 + frequency)) + 0.1, 0)
        matrix = (matrix @ sp.diags(weight)).tocsr().astype(np.float32)
        matrix.eliminate_zeros()
        return list(number_of), matrix

    def users(self, values: np.ndarray, offsets: np.ndarray) -> list[dict]:
        """Return the fields of one user a ragged row of item ids."""
        history = membership(values, offsets, self.roles.shape[0])
        return self._fields([history @ m for m in self._matrices], "user")

    def items(self, ids: np.ndarray) -> list[dict]:
        """Return the fields of items: their cards, and at half weight what their training users like."""
        readers = self.train[:, ids].T.tocsr()
        readers.data[:] = 1
        scores = [scaled(m[ids]) + 0.5 * scaled(readers @ (self.train @ m)) for m in self._matrices]
        return self._fields(scores, "item")

    def _fields(self, scores: list, side: str) -> list[dict]:
        """Return fields from the scores of roles and of keyphrases, one row a profile."""
        count = PHRASES[side]
        top_names = [self._ranked(s.tocsr(), names, 4 * count) for s, names in zip(scores, self.names)]
        common = [[names[p] for p in places] for names, places in zip(self.names, self.common)]
        result = []
        for roles, phrases in zip(*top_names):
            interests = distinct([*phrases, *common[1], *FILLERS], count)
            # where categories and brands are few, further keyphrases speak before what everybody likes
            further = [f"{p} fan" for p in phrases if p not in interests]
            chosen = distinct([*roles, *further, *common[0], *FILLERS], count)
            result.append(dict(zip(FIELDS[side], (chosen, interests))))
        return result

    @staticmethod
    def _ranked(scores: sp.csr_matrix, names: list[str], depth: int) -> list[list[str]]:
        """Return up to `depth` names of each row by score, best first, ties by place; zeros are left out."""
        rows, depth = [], min(depth, scores.shape[1])
        for start in range(0, scores.shape[0], CHUNK):
            block = scores[start : start + CHUNK].toarray()
            top = np.argpartition(-block, depth - 1, axis=1)[:, :depth] if depth else np.empty((len(block), 0), int)
            values = np.take_along_axis(block, top, 1)
            order = np.lexsort((top, -values))
            top, values = np.take_along_axis(top, order, 1), np.take_along_axis(values, order, 1)
            rows += [[names[p] for p, w in zip(*row) if w > 0] for row in zip(top.tolist(), values.tolist())]
        return rows


def distinct(phrases: list[str], count: int) -> list[str]:
    """Return the first `count` phrases of which none is contained in another."""
    result: list[str] = []
    for phrase in phrases:
        if usable(phrase) and not any(f" {phrase} " in f" {k} " or f" {k} " in f" {phrase} " for k in result):
            result.append(phrase)
            if len(result) == count:
                break
    return result


def template_frame(ids, fields: list[dict], evidence: list[str], side: str) -> pl.DataFrame:
    """Return the template teacher's profiles; the digest is that of the evidence they were made from."""
    generation = {"writer": "template"}
    texts = [layout(f, side) for f in fields]
    return profiles_frame(ids, texts, fields, [digest(e) for e in evidence], [generation] * len(fields))
