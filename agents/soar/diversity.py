r"""The Vendi score: the effective number of different problems in a set.

Friedman and Dieng (2023), "The Vendi Score", arXiv 2210.02410: with K_ij the cosine similarity of the
embeddings of n texts, and lambda_i the eigenvalues of K / n,

    VS = exp(-sum_i lambda_i log lambda_i),

which is 1 if all texts are the same and n if no two have anything in common.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Embed = Callable[[Sequence[str]], Floats]  # texts to vectors, (n, size)
NUM_BUCKETS = 1_024
SIZES = (1, 2, 3)  # of the n-grams


def character_ngrams(texts: Sequence[str]) -> Floats:
    """Return the counts of the 1-, 2- and 3-grams of each text, hashed, (n, 1024).

    They need no model, and are the same on every machine. Scores of different embeddings cannot be
    compared.
    """
    counts = np.zeros((len(texts), NUM_BUCKETS))
    for row, text in enumerate(texts):
        marked = f"\x02{text}\x03".encode("utf-8", "backslashreplace")
        for size in SIZES:
            for start in range(len(marked) - size + 1):
                counts[row, zlib.crc32(marked[start : start + size]) % NUM_BUCKETS] += 1
    return counts


def vendi_score(texts: Sequence[str], embed: Embed = character_ngrams) -> float:
    """Return the effective number of different texts, between 1 and their number.

    >>> round(vendi_score(["1+1"] * 5), 6)
    1.0

    Raises:
        ValueError: If there is no text, or an embedding is 0 or not finite.
    """
    if not texts:
        raise ValueError("`texts` must have at least one text, got none")
    vectors = np.asarray(embed(texts), dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(vectors).all() and (lengths > 0).all()):
        raise ValueError("`embed` must give vectors that are finite and not 0")
    spectrum = np.linalg.svd(vectors / lengths, compute_uv=False) ** 2 / len(texts)
    known = spectrum[spectrum > 0]
    return float(np.exp(-(known * np.log(known)).sum()))


def vendi_bootstrap(
    texts: Sequence[str],
    rng: np.random.Generator,
    size: int = 128,
    num_draws: int = 100,
    embed: Embed = character_ngrams,
) -> tuple[float, float]:
    """Return mean and deviation of the score over subsets of `size`, drawn without replacement.

    SOAR, arXiv 2601.18778, takes 100 subsets of 128 questions; so many make sets of different sizes
    comparable.
    """
    size = min(size, len(texts))
    draws = [rng.choice(len(texts), size, replace=False).tolist() for _ in range(num_draws)]
    scores = [vendi_score([texts[row] for row in rows], embed) for rows in draws]
    return float(np.mean(scores)), float(np.std(scores))
