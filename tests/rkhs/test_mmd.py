"""Two-sample tests."""

import numpy as np
import pytest
from numpy_kernels import gaussian, linear

from nnlimits import rkhs

RNG = np.random.default_rng(0)


def test_by_the_definition():
    x, y = RNG.standard_normal((9, 2)), RNG.standard_normal((7, 2)) + 1
    a, b, c = gaussian(x, x), gaussian(y, y), gaussian(x, y)
    unbiased = (a.sum() - np.trace(a)) / 72 + (b.sum() - np.trace(b)) / 42 - 2 * c.mean()
    assert rkhs.squared_mmd(gaussian, x, y) == pytest.approx(unbiased, rel=1e-12)
    assert rkhs.biased_squared_mmd(gaussian, x, y) == pytest.approx(a.mean() + b.mean() - 2 * c.mean(), rel=1e-12)
    assert rkhs.biased_squared_mmd(linear, x, y) == pytest.approx(((x.mean(0) - y.mean(0)) ** 2).sum(), rel=1e-10)


def test_unbiased_for_two_normal_distributions():
    """`E k(x, x') = 3^(-d/2)` for standard normal numbers, and `exp(-|m|^2 / 6)` of it for means apart by m; 400 samples."""
    shift = np.array([0.5, 0.0])
    expected = 2 / 3 * (1 - np.exp(-(shift @ shift) / 6))
    found = np.array(
        [
            rkhs.squared_mmd(gaussian, RNG.standard_normal((20, 2)), RNG.standard_normal((30, 2)) + shift)
            for _ in range(400)
        ]
    )
    assert abs(found.mean() - expected) < 4 * found.std() / 20


def test_level_and_power():
    """Under the null hypothesis p-values are uniform: of 300, those below 0.1 are 30 +- 5.2, and 4 deviations are allowed.

    Apart by one standard deviation, 40 examples of each are told apart in almost every sample.
    """
    generator = np.random.default_rng(1)

    def p_value(shift, seed):
        x, y = generator.standard_normal((20, 2)), generator.standard_normal((25, 2)) + shift
        return rkhs.mmd_test(gaussian, x, y, permutations=99, seed=seed).p_value

    null = np.array([p_value(0.0, seed) for seed in range(300)])
    assert 30 - 21 <= (null <= 0.1).sum() <= 30 + 21
    assert null.mean() == pytest.approx(0.5, abs=4 * 0.289 / 300**0.5 + 0.01)
    assert np.mean([p_value(1.0, seed) <= 0.05 for seed in range(40)]) > 0.9


def test_linear_time_test():
    """P-values of 200 samples are uniform, but for the error of the normal approximation; and a difference is found."""
    generator = np.random.default_rng(2)

    def test_of(shift, n):
        return rkhs.linear_mmd_test(
            gaussian, generator.standard_normal((n, 1)), generator.standard_normal((n, 1)) + shift
        )

    null = np.array([test_of(0.0, 100).p_value for _ in range(200)])
    assert null.mean() == pytest.approx(0.5, abs=4 * 0.289 / 200**0.5 + 0.01)
    assert test_of(1.0, 1000).p_value < 1e-3
    expected = 2 / 3**0.5 * (1 - np.exp(-1 / 6))
    found = np.array([test_of(1.0, 100).statistic for _ in range(200)])
    assert abs(found.mean() - expected) < 4 * found.std() / 200**0.5


def test_seed_and_symmetry():
    x, y = RNG.standard_normal((10, 2)), RNG.standard_normal((10, 2)) + 1
    one, same = (rkhs.mmd_test(gaussian, x, y, permutations=50, seed=3) for _ in range(2))
    assert one.p_value == same.p_value
    assert one.statistic == pytest.approx(rkhs.squared_mmd(gaussian, y, x), rel=1e-10)
    assert rkhs.biased_squared_mmd(gaussian, x, x) == pytest.approx(0, abs=1e-12)


def test_prints_in_a_line():
    x = RNG.standard_normal((10, 2))
    printed = repr(rkhs.mmd_test(gaussian, x, x + 1, permutations=500))
    assert printed.startswith("MMDTest(statistic=")
    assert printed.endswith("null=<array of shape (500,)>)")
    assert "residuals=<array of shape (10, 2)>" in repr(rkhs.kernel_ridge(gaussian, x, x, ridge=1.0))


def test_bad_input():
    x = RNG.standard_normal((10, 2))
    with pytest.raises(ValueError, match="two examples or more; received 10 and 1"):
        rkhs.mmd_test(gaussian, x, x[:1])
    with pytest.raises(ValueError, match="the same features"):
        rkhs.squared_mmd(gaussian, x, x[:, :1])
    with pytest.raises(ValueError, match="seed must be an integer, at least 0; received -1"):
        rkhs.mmd_test(gaussian, x, x, seed=-1)
    with pytest.raises(ValueError, match="permutations must be an integer, at least 1"):
        rkhs.mmd_test(gaussian, x, x, permutations=0)
    with pytest.raises(ValueError, match=r"16 or more; received 10 and 10: mmd_test takes any sizes"):
        rkhs.linear_mmd_test(gaussian, x, x)
