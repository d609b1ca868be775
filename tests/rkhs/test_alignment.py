"""Centred alignment of Gram matrices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_kernels import gaussian, linear

from nnlimits import rkhs

RNG = np.random.default_rng(0)
X = RNG.standard_normal((15, 3))


def test_linear_kernels_give_cka():
    """`|Y^T X|^2 / (|X^T X| |Y^T Y|)` of centred features (Kornblith et al. 2019)."""
    y = X @ RNG.standard_normal((3, 4)) + RNG.standard_normal((15, 4))
    a, b = X - X.mean(0), y - y.mean(0)
    expected = np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    assert rkhs.centred_alignment(linear(X, X), linear(y, y)) == pytest.approx(expected, rel=1e-12)
    assert rkhs.target_alignment(linear(X, X), y) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(0.1, 10), seed=st.integers(0, 2**32 - 1))
def test_invariances(scale, seed):
    """To scales, rotations and shifts of the features; symmetric; one with itself; at most one."""
    generator = np.random.default_rng(seed)
    rotation = np.linalg.qr(generator.standard_normal((3, 3)))[0]
    a, b = linear(X, X), gaussian(X, X)
    turned = linear(scale * X @ rotation + 3, scale * X @ rotation + 3)
    for alignment in (rkhs.centred_alignment, rkhs.unbiased_centred_alignment):
        assert alignment(a, turned) == pytest.approx(1, rel=1e-9)
        assert alignment(b, turned) == pytest.approx(alignment(a, b), rel=1e-7)
        assert alignment(a, b) == pytest.approx(alignment(b, a), rel=1e-12)
    assert 0 <= rkhs.centred_alignment(a, b) <= 1


def test_unbiased_is_zero_for_independent_features():
    """The plain one is not: of 20 examples in 5 dimensions it is 0.2 and more. 300 samples; 4 standard errors."""
    plain, unbiased = [], []
    for _ in range(300):
        a, b = (linear(z, z) for z in RNG.standard_normal((2, 20, 5)))
        plain.append(rkhs.centred_alignment(a, b))
        unbiased.append(rkhs.unbiased_centred_alignment(a, b))
    assert abs(np.mean(unbiased)) < 4 * np.std(unbiased) / 300**0.5
    assert np.mean(plain) > 0.2


def test_unbiased_products_by_the_definition():
    """Song et al. 2012, equation 4, in each of the three products."""

    def product(a, b):
        n, a, b = len(a), a - np.diag(np.diagonal(a)), b - np.diag(np.diagonal(b))
        whole = a.sum() * b.sum() / ((n - 1) * (n - 2))
        return (np.trace(a @ b) + whole - 2 / (n - 2) * (a @ b).sum()) / (n * (n - 3))

    a, b = linear(X, X), gaussian(X, X)
    expected = product(a, b) / np.sqrt(product(a, a) * product(b, b))
    assert rkhs.unbiased_centred_alignment(a, b) == pytest.approx(expected, rel=1e-10)


def test_bad_input():
    gram = linear(X, X)
    with pytest.raises(ValueError, match=r"first must be the Gram matrix of a sample.*received \(15, 3\)"):
        rkhs.centred_alignment(X, gram)
    with pytest.raises(ValueError, match="of one sample; received 15 and 4 rows"):
        rkhs.centred_alignment(gram, gram[:4, :4])
    with pytest.raises(ValueError, match="second is constant"):
        rkhs.centred_alignment(gram, np.ones((15, 15)))
    with pytest.raises(ValueError, match="second is not symmetric"):
        rkhs.centred_alignment(gram, np.triu(gram))
    with pytest.raises(ValueError, match="four examples or more; received 3"):
        rkhs.unbiased_centred_alignment(gram[:3, :3], gram[:3, :3])
    with pytest.raises(ValueError, match="targets must be"):
        rkhs.target_alignment(gram, np.ones(4))
