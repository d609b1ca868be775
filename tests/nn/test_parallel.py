"""Branches and their merges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn

KEY = jax.random.key(0)
X = jnp.linspace(-1, 1, 8).reshape(2, 4)


@pytest.mark.parametrize(
    ("merge", "merged"),
    [
        (nn.Sum(), lambda a, b: a + b),
        (nn.Product(), lambda a, b: a * b),
        (nn.Concatenate(), lambda a, b: np.concatenate([a, b], axis=-1)),
    ],
    ids=["sum", "product", "concatenate"],
)
def test_every_branch_receives_the_input(merge, merged):
    net = nn.Parallel(nn.Dense(3), nn.Sequential(nn.Tanh(), nn.Dense(3)), merge=merge)
    params = net.init(KEY, (4,))
    first, second = (branch.apply(p, X) for branch, p in zip(net.branches, params, strict=True))
    np.testing.assert_allclose(net.apply(params, X), merged(first, second), rtol=1e-6)
    assert net.output_shape((4,)) == net.apply(params, X).shape[1:]


def test_sum_is_the_default():
    assert nn.Parallel(nn.Relu(), nn.Tanh()) == nn.Parallel(nn.Relu(), nn.Tanh(), merge=nn.Sum())


def test_concatenates_different_widths_along_the_last_axis():
    net = nn.Parallel(nn.Dense(3), nn.Identity(), nn.Dense(1), merge=nn.Concatenate())
    assert net.output_shape((4,)) == (8,)
    np.testing.assert_array_equal(net.apply(net.init(KEY, (4,)), X)[:, 3:7], X)
    assert nn.Parallel(nn.Relu(), nn.Abs(), merge=nn.Concatenate()).output_shape((5, 4)) == (5, 8)


def test_branches_draw_independently():
    first, second = nn.Parallel(nn.Dense(4), nn.Dense(4)).init(KEY, (4,))
    assert not np.allclose(first["weight"], second["weight"])


@pytest.mark.parametrize("merge", [nn.Sum(), nn.Product()], ids=repr)
def test_refuses_branches_of_different_shapes(merge):
    net = nn.Sequential(nn.Parallel(nn.Dense(3), nn.Dense(2), merge=merge))
    name = type(merge).__name__
    message = rf"{name} of Parallel at position 0 expects branches that agree in shape; they give \[\(3,\), \(2,\)\]"
    with pytest.raises(ValueError, match=message):
        net.init(KEY, (4,))


def test_refuses_to_concatenate_different_leading_axes():
    net = nn.Parallel(nn.Identity(), nn.Flatten(), merge=nn.Concatenate())
    with pytest.raises(ValueError, match="agree in all axes but the last"):
        net.output_shape((4, 3))


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: nn.Parallel(), ValueError, "Parallel needs at least one branch"),
        (lambda: nn.Parallel(nn.Relu(), merge="sum"), TypeError, r"merge must be nn\.Sum\(\).*received 'sum'"),
        (lambda: nn.Parallel(nn.Relu(), nn.Sum()), TypeError, "Parallel's branch 1 must be a layer"),
    ],
)
def test_refuses(build, error, message):
    with pytest.raises(error, match=message):
        build()
