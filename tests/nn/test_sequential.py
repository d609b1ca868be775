"""Composition: positions in errors, nesting, and the network's parameterization."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn

KEY = jax.random.key(0)


def test_shapes_and_values():
    net = nn.Sequential(nn.Flatten(), nn.Dense(4), nn.Relu(), nn.Dense(2))
    x = jnp.linspace(-1, 1, 24).reshape(4, 2, 3)
    params = net.init(KEY, (2, 3))
    assert net.output_shape((2, 3)) == (2,)
    hidden = nn.Dense(4).apply(params[1], x.reshape(4, 6))
    np.testing.assert_allclose(net.apply(params, x), nn.Dense(2).apply(params[3], jax.nn.relu(hidden)), rtol=1e-6)


def test_without_layers_it_is_the_identity():
    net = nn.Sequential()
    x = jnp.ones((2, 3))
    assert net.output_shape((3,)) == (3,)
    np.testing.assert_array_equal(net.apply(net.init(KEY, (3,)), x), x)


def test_both_parameterizations_are_one_distribution_over_functions():
    """The same key gives the same function, up to rounding: one is the other with its scales moved into the draws."""
    layers = (nn.Dense(16, w_std=1.5, b_std=0.2), nn.Residual(nn.Sequential(nn.Tanh(), nn.Dense(16))), nn.Dense(3))
    ntk, standard = nn.Sequential(*layers), nn.Sequential(*layers, parameterization="standard")
    x = jnp.linspace(-1, 1, 20).reshape(4, 5)
    y = ntk.apply(ntk.init(KEY, (5,)), x)
    np.testing.assert_allclose(standard.apply(standard.init(KEY, (5,)), x), y, rtol=1e-4, atol=1e-5)


def test_the_parameterization_reaches_every_combinator():
    block = nn.Dense(4, w_std=0.0)
    inner = nn.Parallel(nn.Sequential(nn.Repeat(block, 2)), nn.Residual(block, shortcut=block), merge=nn.Concatenate())
    net = nn.Sequential(inner, parameterization="standard")
    weights = [leaf for leaf in jax.tree.leaves(net.init(KEY, (4,))) if leaf.ndim >= 2]
    assert weights
    assert all(not leaf.any() for leaf in weights)


def test_only_the_outermost_may_set_the_parameterization():
    part = nn.Sequential(nn.Dense(3), parameterization="standard")
    for build in (
        lambda: nn.Sequential(part),
        lambda: nn.Residual(part),
        lambda: nn.Residual(nn.Dense(3), shortcut=part),
        lambda: nn.Parallel(part),
        lambda: nn.Repeat(part, 2),
    ):
        with pytest.raises(ValueError, match="set it on the outermost Sequential only"):
            build()


@pytest.mark.parametrize("value", ["NTK", "muP", None, 1])
def test_refuses_an_unknown_parameterization(value):
    with pytest.raises(
        ValueError, match="parameterization must be one of 'ntk', 'standard', 'mup', 'mean_field', or an nn"
    ):
        nn.Sequential(nn.Dense(1), parameterization=value)


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (jax.nn.relu, r"layer 1 .* received the function jax\.nn\.relu; wrap it: nn\.Elementwise\(jax\.nn\.relu\)"),
        (nn.Relu, r"received the class Relu; make a layer of it: nn\.Relu\(\)"),
        ([nn.Relu()], r"received a list; unpack it: nn\.Sequential\(\*layers\)"),
        (nn.Sum(), r"must be a layer of nnlimits\.nn; received nn\.Sum\(\)"),
        ("relu", "received 'relu'"),
    ],
)
def test_refuses_what_is_not_a_layer(element, message):
    with pytest.raises(TypeError, match=message):
        nn.Sequential(nn.Dense(1), element)


def test_errors_name_the_layer_and_its_position():
    net = nn.Sequential(nn.Relu(), nn.Relu(), nn.Relu(), nn.Relu(), nn.Dense(3))
    message = "Dense at position 4 expects a flat input; it received (32, 32, 64). Add nn.Flatten()."
    for call in (
        lambda: net.output_shape((32, 32, 64)),
        lambda: net.init(KEY, (32, 32, 64)),
        lambda: net.apply(((),) * 5, jnp.ones((1, 32, 32, 64))),
    ):
        with pytest.raises(nn.ShapeError) as error:
            call()
        assert str(error.value) == message


def test_errors_from_inside_combinators_give_the_whole_place():
    inner = nn.Sequential(nn.Relu(), nn.Dense(3))
    net = nn.Sequential(nn.Identity(), nn.Sequential(nn.Residual(nn.Parallel(nn.Repeat(inner, 2)))))
    with pytest.raises(nn.ShapeError) as error:
        net.output_shape((2, 2))
    assert str(error.value).startswith(
        "Dense at position 1 in the block of Repeat in branch 0 of Parallel in the body of Residual at position 0 "
        "in Sequential at position 1 expects a flat input"
    )
