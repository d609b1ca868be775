import numpy as np

from nnlimits.estimators.standardization import identity, standardization


def test_columns_have_mean_zero_and_unit_variance_and_come_back():
    x = np.random.default_rng(0).normal(size=(50, 3)) * [1.0, 1e6, 1e-6] + [0.0, 1e6, 1.0]
    standard = standardization(x)
    z = standard.apply(x)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-8)
    np.testing.assert_allclose(z.std(0), 1, rtol=1e-8)
    np.testing.assert_allclose(standard.undo(z), x, rtol=1e-12)


def test_a_constant_column_is_centred_only_even_where_rounding_gives_it_a_deviation():
    x = np.full((1000, 2), 0.1)
    x[:, 1] = 1e9 / 3
    assert x.std(0).max() > 0
    standard = standardization(x)
    np.testing.assert_array_equal(standard.scale, 1.0)
    np.testing.assert_allclose(standard.apply(x), 0, atol=1e-5)


def test_one_row():
    np.testing.assert_array_equal(standardization(np.array([[3.0, -1.0]])).apply(np.array([[3.0, -1.0]])), 0)


def test_columns_whose_squares_overflow_or_vanish():
    x = np.random.default_rng(0).normal(size=(50, 3)) * [1e200, 1e-200, 1e308 / 5] + [0.0, 1e-200, 0.0]
    z = standardization(x).apply(x)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(z.std(0), 1, rtol=1e-12)


def test_zeros():
    np.testing.assert_array_equal(standardization(np.zeros((4, 2))).apply(np.zeros((4, 2))), 0)


def test_identity():
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(identity(3).apply(x), x)
