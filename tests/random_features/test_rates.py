"""What all families of independent draws have in common: unbiased, and an error that falls as one over the root of their number."""

import importlib.util
import pathlib

import numpy as np
import pytest

from nnlimits.random_features import leverage_weighted
from nnlimits.rates import fitted_rate

_spec = importlib.util.spec_from_file_location("families", pathlib.Path(__file__).with_name("families.py"))
families = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(families)
FAMILIES, X, keys, products = families.FAMILIES, families.X, families.keys, families.products

COUNTS = (64, 256, 1024, 4096)
SEEDS = 24


@pytest.mark.parametrize("family", FAMILIES)
def test_the_error_falls_as_one_over_the_root_of_the_features(family):
    # 24 seeds of root-mean-square errors over 300 entries: each is known to some 6 %, the slope over a factor of 64 to 0.02
    errors = np.array([[FAMILIES[family](n, key).error(X).frobenius for key in keys(SEEDS)] for n in COUNTS])
    rate = fitted_rate(np.array(COUNTS, float), errors)
    assert rate.slope == pytest.approx(-0.5, abs=0.06)
    assert rate.high - rate.low < 0.12


@pytest.mark.parametrize("family", FAMILIES)
def test_unbiased(family):
    samples = np.stack([products(FAMILIES[family](32, key)) for key in keys(400)])
    exact = np.asarray(FAMILIES[family](32, keys(1)[0]).exact_kernel(X))
    deviation = (samples.mean(0) - exact) / (samples.std(0) / 20 + 1e-12)
    # 300 entries, correlated: 5 standard errors are passed by chance once in 5,000 runs
    assert abs(deviation).max() < 5


@pytest.mark.parametrize("family", ["gaussian", "arc-cosine 1"])
def test_features_chosen_by_leverage_are_unbiased(family):
    pool_keys, draw_keys = keys(300, 1), keys(300, 2)
    samples = np.stack(
        [
            products(leverage_weighted(FAMILIES[family](256, first), X, 32, 1e-2, key=second))
            for first, second in zip(pool_keys, draw_keys, strict=True)
        ]
    )
    exact = np.asarray(FAMILIES[family](32, pool_keys[0]).exact_kernel(X))
    assert abs((samples.mean(0) - exact) / (samples.std(0) / 300**0.5)).max() < 5


def test_orthogonal_frequencies_have_the_smaller_variance():
    # Yu et al. 2016, theorem 1: the mean squared error is smaller by a factor that is far below one at distances of a lengthscale
    plain, orthogonal = (
        np.mean([FAMILIES[name](2 * families.D, key).error(X).frobenius ** 2 for key in keys(400)])
        for name in ("gaussian", "gaussian orthogonal")
    )
    assert orthogonal < 0.7 * plain
