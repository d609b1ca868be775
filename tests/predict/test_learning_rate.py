import numpy as np
import pytest

import nnlimits as nl


@pytest.mark.parametrize("train", ["all", "last_layer"])
def test_is_twice_the_number_of_targets_over_the_largest_eigenvalue(kernel, data, train):
    theta = np.asarray(kernel.ntk(data.x) if train == "all" else kernel.nngp(data.x))
    expected = 2 * 1.5 * 36 / (np.linalg.eigvalsh(theta)[-1] + 0.2 * theta.diagonal().mean())
    assert nl.max_learning_rate(kernel, data.x, 3, momentum=0.5, train=train, ridge=0.2) == pytest.approx(
        expected, rel=1e-12
    )


def test_many_examples_by_lanczos(kernel):
    x = np.random.default_rng(0).normal(size=(300, 3))
    expected = 2 * 300 / np.linalg.eigvalsh(np.asarray(kernel.ntk(x)))[-1]
    assert nl.max_learning_rate(kernel, x) == pytest.approx(expected, rel=1e-12)


def test_bad_arguments(kernel, data):
    with pytest.raises(ValueError, match="n_outputs must be at least 1"):
        nl.max_learning_rate(kernel, data.x, 0)
    with pytest.raises(ValueError, match=r"momentum must lie in \[0, 1\)"):
        nl.max_learning_rate(kernel, data.x, momentum=1.5)
    with pytest.raises(ValueError, match="x must have 2 axes"):
        nl.max_learning_rate(kernel, data.x[0])
