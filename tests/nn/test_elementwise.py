"""Any function as an activation."""

import copy
import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn


def cube(x):
    return x**3


@pytest.mark.parametrize(
    ("word", "spelling"),
    [
        (nn.Elementwise(jnp.tanh), "nn.Elementwise(jnp.tanh)"),
        (nn.Elementwise(jax.nn.relu, kinks=(0,)), "nn.Elementwise(jax.nn.relu, kinks=(0.0,))"),
        (nn.Elementwise(jax.nn.hard_tanh, kinks=[1, -1]), "nn.Elementwise(jax.nn.hard_tanh, kinks=(-1.0, 1.0))"),
        (nn.Elementwise(jax.scipy.special.ndtr), "nn.Elementwise(jax.scipy.special.ndtr)"),
        (nn.Elementwise(cube), "nn.Elementwise(cube)"),
        (nn.Elementwise(nn.Relu()), "nn.Elementwise(nn.Relu())"),
    ],
)
def test_repr_rebuilds(word, spelling):
    assert repr(word) == spelling
    assert eval(spelling) == word
    assert hash(eval(spelling)) == hash(word)


def test_repr_shows_the_qualified_name_of_a_lambda():
    assert "test_repr_shows" in repr(nn.Elementwise(lambda x: x))


def test_equal_iff_the_same_function_and_kinks():
    assert nn.Elementwise(cube) == nn.Elementwise(cube)
    assert nn.Elementwise(cube) != nn.Elementwise(jnp.tanh)
    assert nn.Elementwise(cube, kinks=()) != nn.Elementwise(cube)


def test_given_kinks_are_kept_sorted_as_floats():
    assert nn.Elementwise(jnp.abs, kinks=(np.float32(0.5), -1)).kinks == (-1.0, 0.5)


def test_applies_the_function():
    x = jnp.linspace(-1, 1, 6).reshape(2, 3)
    np.testing.assert_array_equal(nn.Elementwise(cube).apply((), x), x**3)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Elementwise(3), "function must be callable; received 3"),
        (lambda: nn.Elementwise(nn.Relu), "received the class Relu"),
        (lambda: nn.Elementwise(jnp.tanh, kinks=0.0), "kinks must be a tuple of numbers"),
        (lambda: nn.Elementwise(jnp.tanh, kinks=("a",)), r"kinks\[0\] must be a real number"),
        (lambda: nn.Elementwise(_Unhashable()), "function must be hashable"),
    ],
)
def test_refuses(build, message):
    with pytest.raises(TypeError, match=message):
        build()


def test_names_a_function_that_changes_the_shape():
    net = nn.Sequential(nn.Dense(2), nn.Elementwise(jnp.sum, kinks=()))
    with pytest.raises(ValueError, match=r"Elementwise at position 1 needs a function.* jnp\.sum maps"):
        net.apply(net.init(jax.random.key(0), (3,)), jnp.ones((4, 3)))


def test_copies_and_pickles_what_python_can():
    for word in (nn.Elementwise(jnp.tanh), nn.Elementwise(cube, kinks=()), nn.Elementwise(jax.nn.silu)):
        assert pickle.loads(pickle.dumps(word)) == word
    for word in (nn.Elementwise(lambda x: x), nn.Elementwise(jax.jit(cube)), nn.Elementwise(jnp.tanh)):
        assert copy.deepcopy(word) == word


@pytest.mark.parametrize(
    "function", [lambda x: x * np.float64(2), lambda x: x > 0, jnp.floor], ids=["f64", "bool", "f32"]
)
def test_keeps_the_dtype_of_its_input(function, x64):
    net = nn.Repeat(nn.Elementwise(function, kinks=()), 3)
    assert net.apply(net.init(jax.random.key(0), (2,)), jnp.ones((3, 2), jnp.float32)).dtype == jnp.float32


def test_refuses_complex_results():
    with pytest.raises(TypeError, match="needs a real function"):
        nn.Elementwise(lambda x: x * 1j, kinks=())(jnp.ones(2))


def test_partial_function_works():
    word = nn.Elementwise(functools.partial(jnp.multiply, 2.0), kinks=())
    np.testing.assert_array_equal(word(jnp.array([1.0, -3.0])), [2.0, -6.0])


class _Unhashable:
    __hash__ = None

    def __call__(self, x):
        return x
