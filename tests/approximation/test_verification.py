"""Proved bounds of the sup norm, and the search for violations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.approximation import Box, Certificate, Target, adversarial_error, from_weights, verify
from nnlimits.approximation.approximation import Approximation, approximation


def of(function, layers, activation, domain=None, lipschitz=None, bound=1.0) -> Approximation:
    target = Target(function, Box.cube(1) if domain is None else domain, lipschitz)
    network, params = from_weights(layers, activation)
    return approximation(network, params, target, Certificate("a claim", bound, "sup"), points=512)


def tent(function, lipschitz=None, bound=1.0) -> Approximation:
    """The network max(x - 1/2, 0) on [0, 1]."""
    layers = [(np.ones((1, 1)), np.array([-0.5])), (np.ones((1, 1)), np.zeros(1))]
    return of(function, layers, nn.Relu(), lipschitz=lipschitz, bound=bound)


# max |x^2 - max(x - 1/2, 0)|: at x = 1/2 a quarter inside, at x = 1 a half
CASES = {
    "functions of JAX": tent(lambda x: x[:, 0] ** 2),
    "Lipschitz": tent(lambda x: np.asarray(x)[:, 0] ** 2, 2.0),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("gap", [0.1, 0.01])
def test_the_sup_norm_lies_between_the_bounds(name, gap) -> None:
    verified = verify(CASES[name], gap=gap)
    assert verified.lower <= 0.5 <= verified.upper
    assert verified.outcome == "gap reached"
    assert verified.gap <= gap * (1 + 1e-9)
    assert np.isclose(verified.point[0], 1, atol=gap)


def test_the_mean_value_form_needs_few_boxes() -> None:
    # the excess of the mean value form falls with the square of a box: a hundred times smaller gap costs ten times the boxes near
    # a maximum inside, and only the logarithm for one at an end
    counts = [verify(CASES["functions of JAX"], gap=gap).boxes for gap in (1e-2, 1e-6)]
    assert counts[1] < 3 * counts[0]


def test_a_bound_is_proved_or_violated() -> None:
    case = CASES["functions of JAX"]
    proved, violated = verify(case, bound=0.5000001), verify(case, bound=0.49)
    assert proved.outcome == "bound proved"
    assert proved.upper <= 0.5000001
    assert violated.outcome == "bound violated"
    x = violated.point
    assert abs(x[0] ** 2 - max(x[0] - 0.5, 0)) >= violated.lower - 1e-15 > 0.49 - 1e-15


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_certificate_is_caught(name) -> None:
    wrong = CASES[name]
    wrong = Approximation(wrong.network, wrong.params, wrong.target, wrong.error, Certificate("wrong", 0.499, "sup"))
    assert not wrong.holds
    assert verify(wrong, bound=wrong.certificate.bound).outcome == "bound violated"
    assert adversarial_error(wrong, starts=4, points=64).error > wrong.certificate.bound


def test_a_violation_in_a_narrow_spike_is_caught_by_intervals() -> None:
    # a spike of width 1e-5, which 1,000 points miss: the bound is not proved, and a violation is found
    def spike(x):
        return jnp.maximum(x[:, 0] - 0.5, 0) + jnp.exp(-(((x[:, 0] - 0.31831) / 1e-5) ** 2))

    case = tent(spike, bound=0.1)
    assert case.holds  # on the held-out set
    verified = verify(case, bound=0.1)
    assert verified.outcome == "bound violated"
    assert abs(verified.point[0] - 0.31831) < 1e-4


def test_the_budget_is_kept_and_bounds_stay_valid() -> None:
    verified = verify(CASES["Lipschitz"], gap=1e-6, budget=50)
    assert verified.outcome == "boxes spent"
    assert verified.boxes <= 50
    assert verified.lower <= 0.5 <= verified.upper


def test_an_exact_network_is_proved_to_be_one_up_to_rounding() -> None:
    verified = verify(tent(lambda x: jnp.maximum(x[:, 0] - 0.5, 0.0)))
    assert verified.upper < 1e-14
    assert verified.boxes < 500


def test_jumps_are_enclosed_without_derivatives() -> None:
    layers = [(np.ones((1, 1)), np.array([-0.5])), (np.ones((1, 1)), np.zeros(1))]
    case = of(lambda x: jnp.where(x[:, 0] > 0.25, 1.0, 0.0), layers, nn.Step())
    verified = verify(case)
    assert 1 - 1e-14 < verified.lower <= 1 <= verified.upper < 1 + 1e-14
    assert "jumps" in verified.method


def test_a_function_that_is_undefined_on_large_boxes() -> None:
    # the derivative of the root has a pole at zero, and natural enclosures take over
    verified = verify(tent(lambda x: jnp.sqrt(jnp.abs(x[:, 0] - 0.25))), gap=0.05)
    assert verified.outcome == "gap reached"
    x = np.linspace(0, 1, 100_001)
    true = np.abs(np.sqrt(np.abs(x - 0.25)) - np.maximum(x - 0.5, 0)).max()
    assert verified.lower <= true + 1e-9
    assert verified.upper >= true


def random_case(dimension: int, seed: int) -> Approximation:
    rng = np.random.default_rng(seed)
    layers = [
        (rng.standard_normal((dimension, 6)), rng.standard_normal(6)),
        (rng.standard_normal((6, 2)), rng.standard_normal(2)),
    ]
    return of(lambda x: jnp.stack([jnp.sin(x.sum(1)), jnp.cos(x[:, 0])], 1), layers, nn.Tanh(), Box.cube(dimension))


@pytest.mark.parametrize(
    "dimension", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
def test_the_search_stays_below_the_proof_and_comes_close(dimension) -> None:
    case = random_case(dimension, dimension)
    verified = verify(case, gap=0.02, budget=30_000)
    found = adversarial_error(case, starts=6, points=256)
    assert verified.outcome == "gap reached"
    assert found.error <= verified.upper
    assert found.error >= verified.lower * (1 - 1e-9)
    assert found.evaluations > 256


def test_progress_is_told() -> None:
    told = []
    verify(CASES["Lipschitz"], gap=1e-3, advance=told.append)
    adversarial_error(CASES["Lipschitz"], starts=2, points=16, advance=told.append)
    assert any("sup norm in" in line for line in told)
    assert any("local search" in line for line in told)


class TestErrors:
    def test_nothing_is_known_between_points(self) -> None:
        with pytest.raises(ValueError, match="nothing is known of f between points"):
            verify(tent(lambda x: np.asarray(x)[:, 0] ** 2))

    @pytest.mark.parametrize("arguments", [{"gap": 0.0}, {"budget": 0}, {"bound": -1.0}])
    def test_arguments(self, arguments) -> None:
        with pytest.raises(ValueError, match=r"must be finite and positive|budget must be an integer, at least 1"):
            verify(CASES["Lipschitz"], **arguments)

    def test_no_starts(self) -> None:
        with pytest.raises(ValueError, match="starts must be an integer, at least 1"):
            adversarial_error(CASES["Lipschitz"], starts=0)


@jax.custom_jvp
def claims_to_be_constant(x):
    return jnp.sin(50 * x)


claims_to_be_constant.defjvp(lambda primals, tangents: (claims_to_be_constant(*primals), 0 * tangents[0]))


@pytest.mark.parametrize(
    ("function", "dimension", "true"),
    [
        # what a derivative rule of one's own says is not believed
        (lambda x: claims_to_be_constant(x[:, 0]), 1, None),
        # a jump along the diagonal, between two results of one operation
        (lambda x: jnp.where(jnp.not_equal(*jnp.split(x, 2, axis=1)), 1.0, 0.0), 2, 1.5),
        # what overflows, and poles
        (lambda x: jnp.minimum(jnp.exp(2000 * (x[:, 0] - 0.2)), 3.0), 1, 3.0),
        (lambda x: jnp.minimum(jnp.abs(x[:, 0] - 0.25) ** -0.5, 7.0), 1, 7.0),
        (lambda x: jnp.clip(jnp.divide(1, x[:, 0] - 0.3), -1, 1), 1, 1.0),
        (lambda x: jnp.linalg.norm(x - 0.25, axis=1), 2, 1.5 - 0.75 * 2**0.5),
        (lambda x: jax.nn.logsumexp(5 * x, axis=1), 2, 3.5 + np.log(2)),
        (lambda x: jnp.sort(x, axis=1)[:, 0], 2, 0.5),
    ],
)  # fmt: skip
def test_functions_that_are_hard_to_enclose(function, dimension, true) -> None:
    layers = [(np.ones((dimension, 1)), np.array([-0.5])), (np.ones((1, 1)), np.zeros(1))]
    case = of(function, layers, nn.Relu(), Box.cube(dimension))
    x = case.target.domain.grid(1001 if dimension == 1 else 101)
    sampled = np.abs(case.target(x)[:, 0] - np.maximum(x.sum(1) - 0.5, 0)).max()
    verified = verify(case)
    assert verified.outcome == "gap reached"
    assert verified.upper >= sampled * (1 - 1e-12)
    assert verified.upper <= 1.1001 * (sampled * 1.001 if true is None else true)


def test_a_constant_helps_where_intervals_do_not() -> None:
    # the interval of log(x) near zero is unbounded, and that of x log(x) as well
    def entropy(x):
        positive = x[:, 0] > 0
        return jnp.where(positive, x[:, 0] * jnp.log(jnp.where(positive, x[:, 0], 1)), 0.0)

    assert verify(tent(entropy), budget=50).upper == np.inf
    assert verify(tent(entropy, lipschitz=15.0), budget=2000).outcome == "gap reached"
