"""Problems: what they take, what they compute, and what they refuse."""

import equinox as eqx
import jax
import numpy as np
import pytest
from problems import NET, flat, small

from nnlimits import training


def test_the_objective_and_its_derivatives(x64):
    """Against the matrix of second derivatives, formed."""
    problem = small("cross_entropy")
    objective = problem.objective()
    assert objective.value(objective.theta) == pytest.approx(float(problem.value(problem.params)))
    hessian = jax.jit(jax.hessian(objective.value))(objective.theta)
    vector = np.random.default_rng(2).standard_normal(len(objective.theta))
    found = objective.hessian_product(objective.theta, jax.numpy.asarray(vector))
    np.testing.assert_allclose(found, hessian @ vector, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(flat(objective.unflatten(objective.theta)), objective.theta)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_losses_of_examples_have_the_loss_as_their_mean(x64, loss):
    problem = small(loss)
    assert problem.is_mean_of_examples()
    assert problem.per_example_losses(problem.params).mean() == pytest.approx(float(problem.value(problem.params)))


def test_labels_need_not_show_all_classes(x64):
    params = NET.init(jax.random.key(0), (3,), dtype=np.float64)
    three = training.Problem(
        lambda p, x: NET.apply(p, x) @ np.eye(2, 3), params, np.ones((2, 3)), [0, 1], "cross_entropy"
    )
    np.testing.assert_array_equal(three.y, np.eye(2, 3))


def test_an_equinox_module_is_a_problem():
    model = eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(0))
    problem = training.Problem(model, None, np.ones((5, 3)), np.zeros((5, 2)))
    expected = np.square(jax.vmap(model)(np.ones((5, 3), np.float32))).mean() / 2
    assert problem.value(problem.params) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y": np.zeros((6, 1))}, r"y must have the shape of the outputs, \(6, 2\); received \(6, 1\)"),
        ({"y": np.full((6, 2), np.nan)}, "y contains nan"),
        ({"x": np.full((6, 3), np.inf)}, "x contains inf"),
        ({"loss": "huber"}, "loss must be one of"),
        ({"loss": "cross_entropy", "y": [0, 1, 2, 0, 0, 0]}, "y names class 2"),
        ({"loss": lambda f, y: f}, "loss must return a single number"),
        ({"loss": lambda f, y: f.sum(), "y": np.zeros(3)}, "one target for each of the 6 examples"),
    ],
)
def test_bad_arguments(x64, changed, message):
    problem = small()
    arguments = {"x": problem.x, "y": problem.y, "loss": "mse"} | changed
    with pytest.raises(ValueError, match=message):
        training.Problem(NET, problem.params, **arguments)
