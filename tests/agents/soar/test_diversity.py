"""The Vendi score of sets whose diversity is known."""

import numpy as np
import pytest

from edgewise.agents.soar.quality import character_ngrams, vendi_bootstrap, vendi_score


def onehot(texts):
    return np.eye(8)[[int(text) for text in texts]]


def test_it_counts_what_has_nothing_in_common():
    assert vendi_score(list("0123"), onehot) == pytest.approx(4)
    assert vendi_score(list("0000"), onehot) == pytest.approx(1)
    # eigenvalues 3/4 and 1/4: exp(-(.75 ln .75 + .25 ln .25)) = 1.7548
    assert vendi_score(list("0001"), onehot) == pytest.approx(1.7548, abs=1e-4)


def test_two_vectors_at_60_degrees():
    # K = [[1, .5], [.5, 1]], eigenvalues of K / 2 are .75 and .25
    half = {"a": [1.0, 0.0], "b": [0.5, 0.75**0.5]}
    score = vendi_score(["a", "b"], lambda texts: np.array([half[text] for text in texts]))
    assert score == pytest.approx(1.7548, abs=1e-4)


def test_the_default_embedding_tells_problems_apart_and_never_changes():
    same, like, other = ["1+2"] * 6, [f"1{i}+2" for i in range(6)], list("+-*/()")
    assert vendi_score(same) < vendi_score(like) < vendi_score(other)
    counts = character_ngrams(["1+1", ""])
    assert counts.sum(axis=1).tolist() == [5 + 4 + 3, 2 + 1]
    assert np.flatnonzero(character_ngrams(["1"])[0]).tolist() == GOLDEN
    assert vendi_score(["\udcff", "é", ""]) > 1


GOLDEN = [71, 247, 567, 673, 884, 951]  # the CRC-32 of "1" is 0x83dcefb7, modulo 1024 951


def test_subsets_of_equal_size_are_compared():
    texts = [str(i % 4) for i in range(40)]
    mean, deviation = vendi_bootstrap(texts, np.random.default_rng(0), 8, 50, onehot)
    assert 3 < mean < 4 and deviation > 0
    assert vendi_bootstrap(texts, np.random.default_rng(0), 8, 50, onehot) == (mean, deviation)


@pytest.mark.parametrize(("texts", "message"), [([], "at least one text"), (["0"], "`embed` must")])
def test_no_text_and_no_vector_are_refused(texts, message):
    with pytest.raises(ValueError, match=message):
        vendi_score(texts, lambda texts: np.zeros((len(texts), 2)))
