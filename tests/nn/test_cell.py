"""The cell of an equilibrium network and its constraints; bounds of norms and slopes."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnlimits import nn
from nnlimits.nn.operator_norm import matrix_of, norm_bound, schatten_bound
from nnlimits.nn.slopes import slopes

ACTIVATIONS = [
    *(nn.Relu(), nn.Tanh(), nn.HardTanh(), nn.Softplus(), nn.Identity(), nn.Abs(), nn.Sigmoid(), nn.Selu(), nn.Silu()),
    *(
        nn.Mish(),
        nn.Gelu(),
        nn.LeakyRelu(negative_slope=-0.3),
        nn.ABRelu(0.5, 2.0),
        nn.Elu(alpha=1.5),
        nn.Elu(alpha=-1.0),
    ),
    *(nn.Erf(a=2.0, b=-1.5), nn.Sin(a=-2.0, b=3.0), nn.Cos(b=0.5), nn.Rbf(gamma=2.0)),
]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_slopes_are_the_extremes_of_the_derivative(activation):
    """Against secants on a grid of 2e-4: never outside, and within 1e-3 of the bounds."""
    x = np.arange(-40_000, 40_000) * 2e-4 + 1e-5
    with jax.enable_x64(True):
        y = np.asarray(activation.apply((), x[:, None]))[:, 0]
    secants = np.diff(y) / np.diff(x)
    bounds = slopes(activation)
    assert bounds.lowest - 1e-9 <= secants.min() <= bounds.lowest + 1e-3
    assert bounds.highest - 1e-3 <= secants.max() <= bounds.highest + 1e-9
    assert bounds.lipschitz == max(abs(bounds.lowest), abs(bounds.highest))


def test_slopes_of_other_functions_are_not_known_and_traced_ones_are_arrays():
    assert slopes(nn.Elementwise(jnp.sin)) is None
    assert slopes(nn.Monomial(2)) is None
    found = jax.jit(lambda slope: slopes(nn.LeakyRelu(negative_slope=slope)))(-2.0)
    assert (float(found.lowest), float(found.highest), float(found.lipschitz)) == (-2.0, 1.0, 2.0)


compiled_bound = jax.jit(schatten_bound)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.sampled_from([1, 7]), st.sampled_from([4, 9]), st.integers(0, 9), st.floats(-8, 8))
def test_the_norm_bound_is_above_the_largest_singular_value_and_close_to_it(rows, columns, rank, scale):
    """By at most `rank^(1/512)`; of rank zero, it is zero."""
    generator = np.random.default_rng(rows + 10 * columns)
    matrix = generator.normal(size=(rows, rank)) @ generator.normal(size=(rank, columns)) * 10**scale
    largest = np.linalg.norm(matrix, 2) if rank else 0.0
    with jax.enable_x64(True):
        bound = float(compiled_bound(jnp.asarray(matrix)))
    assert largest * (1 - 1e-12) <= bound <= largest * 9 ** (1 / 512) * (1 + 1e-12)


@pytest.mark.slow
def test_the_gradient_of_the_norm_bound_is_finite_everywhere(x64):
    def bound(scale):
        return schatten_bound(scale * jnp.diag(jnp.array([3.0, 3.0, 0.0])))

    assert jax.grad(bound)(1.0) == pytest.approx(3 * 2 ** (1 / 512))
    assert jax.grad(bound)(0.0) == 0


@pytest.mark.parametrize(
    ("layer", "shape", "loose"),
    [
        (nn.Dense(7, w_std=2.0), (7,), 1.01),
        pytest.param(*(nn.Linear(3), (5, 3), 1.01), marks=pytest.mark.slow),
        (nn.Conv(3, 3), (4, 4, 3), 1.35),
        pytest.param(*(nn.Conv(3, 3), (8, 8, 3), 1.25), marks=pytest.mark.slow),
        pytest.param(*(nn.LocallyConnected(3, 3), (5, 3), 1.01), marks=pytest.mark.slow),
        pytest.param(*(nn.Conv(3, 3, padding="circular"), (6, 5, 3), 1.02), marks=pytest.mark.slow),
        pytest.param(*(nn.Conv(3, (3, 1), padding="circular", dilation=2), (6, 5, 3), 1.02), marks=pytest.mark.slow),
        pytest.param(*(nn.Conv(3, 5, padding=2), (9, 3), 1.25), marks=pytest.mark.slow),
        pytest.param(*(nn.Sequential(nn.Dense(4), nn.Scale(-3.0), nn.Dense(7)), (7,), 1.01), marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_norm_bounds_of_layers_against_their_matrices(layer, shape, loose, x64):
    """Rings are exact up to the Schatten norm; zeros beyond the border make the bound of a small image looser, never too low."""
    place = layer.network_parameterization()
    params = layer.init(jax.random.key(0), shape, dtype=jnp.float64)
    matrix = matrix_of(lambda z: layer.forward(params, z, None, place), shape, jnp.float64)
    exact = np.linalg.norm(np.asarray(matrix), 2)
    bound = float(jax.jit(lambda params: norm_bound(layer, params, shape, place, jnp.float64))(params))
    assert exact <= bound <= loose * exact


def test_norms_of_matrices_too_large_to_write_out_are_refused():
    layer = nn.LocallyConnected(8, 3)
    with pytest.raises(NotImplementedError, match=r"up to 2048 entries of the state, and these are 2400; use nn.Conv"):
        norm_bound(layer, {}, (300, 8), layer.network_parameterization(), jnp.float32)


def state_map(cell, input_shape, examples=3, dtype=jnp.float64):
    place = nn.Identity().network_parameterization()
    params = cell.initialize(jax.random.key(1), input_shape, place, dtype)
    x = jax.random.normal(jax.random.key(2), (examples, *input_shape), dtype)
    transition, args = eqx.filter_jit(cell.at)(params, x, None, place)
    return params, x, transition, args


def test_the_cell_is_the_activation_of_the_sum(x64):
    cell = nn.Cell(nn.Dense(4, w_std=0.5, b_std=0.3), nn.Dense(4, b_std=0.1), activation=nn.Erf())
    params, x, transition, args = state_map(cell, (2,))
    z = jnp.linspace(-1, 1, 12).reshape(3, 4)
    recurrent, injection = params["recurrent"], params["injection"]
    summed = 0.5 / 2 * z @ recurrent["weight"] + 0.3 * recurrent["bias"] + x @ injection["weight"] / np.sqrt(2)
    expected = jax.scipy.special.erf(summed + 0.1 * injection["bias"])
    np.testing.assert_allclose(transition(z, args), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("recurrent", "injection", "shape"),
    [
        (nn.Dense(5, w_std=3.0, b_std=1.0), nn.Dense(5), (2,)),
        pytest.param(nn.Conv(2, 3, w_std=3.0, b_std=None), nn.Conv(2, 1), (4, 4, 1), marks=pytest.mark.slow),
    ],
    ids=repr,
)
@pytest.mark.parametrize("activation", [nn.Relu(), pytest.param(nn.Silu(), marks=pytest.mark.slow)], ids=repr)
def test_a_norm_bound_makes_a_contraction(recurrent, injection, shape, activation, x64):
    """The Lipschitz constant of the linear part times that of the activation, from the matrix; offsets stay as they are."""
    cell = nn.Cell(recurrent, injection, activation=activation, constraint=nn.NormBound(0.6))
    params, _, transition, args = state_map(cell, shape)
    linear = nn.Cell(recurrent, injection, activation=nn.Identity())
    place = nn.Identity().network_parameterization()
    state = args.drive.shape[1:]
    single = args._replace(drive=args.drive[:1] * 0)
    identity = type(transition)(linear, transition.parameterization, None, None)
    norm = np.linalg.norm(np.asarray(matrix_of(lambda z: identity(z, single), state, jnp.float64)), 2)
    lipschitz = slopes(activation).lipschitz
    assert 0.75 * 0.6 <= lipschitz * norm <= 0.6  # the bound of a convolution is loose on so small an image
    free, args_free = linear.at(params, jnp.zeros((1, *shape)), None, place)
    zero = jnp.zeros((1, *state))
    np.testing.assert_allclose(identity(zero, single), free(zero, args_free._replace(drive=zero)), atol=1e-12)


def test_a_map_within_the_norm_bound_is_left_alone(x64):
    """Only larger maps are scaled down."""
    free = nn.Cell(nn.Dense(5, w_std=0.1), nn.Dense(5))
    _, _, transition, args = state_map(free, (2,))
    _, _, bounded, bounded_args = state_map(nn.Cell(free.recurrent, free.injection, constraint=nn.NormBound()), (2,))
    np.testing.assert_array_equal(bounded(args.drive, bounded_args), transition(args.drive, args))


@pytest.mark.parametrize(
    ("recurrent", "injection", "shape"),
    [
        (nn.Dense(5, w_std=3.0, b_std=None), nn.Dense(5), (2,)),
        pytest.param(nn.Conv(2, 3, w_std=3.0, b_std=None), nn.Conv(2, 1), (4, 1), marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_the_monotone_parameterization_is_the_one_of_winston_and_kolter(recurrent, injection, shape, x64):
    """`(1 - m) I - A^T A + B - B^T` from the matrices of A and B, and `<z, (I - W) z> >= m |z|^2`."""
    cell = nn.Cell(recurrent, injection, activation=nn.Identity(), constraint=nn.Monotone(0.3))
    params, _, transition, args = state_map(cell, shape)
    state = args.drive.shape[1:]
    single = args._replace(drive=args.drive[:1] * 0)
    place = nn.Identity().network_parameterization()
    a, b = (
        np.asarray(
            matrix_of(lambda z, p=params["recurrent"][name]: recurrent.forward(p, z, None, place), state, jnp.float64)
        ).T
        for name in "AB"
    )
    found = np.asarray(matrix_of(lambda z: transition(z, single), state, jnp.float64)).T
    np.testing.assert_allclose(found, 0.7 * np.eye(len(a)) - a.T @ a + b - b.T, atol=1e-12)
    symmetric = np.eye(len(a)) - (found + found.T) / 2
    assert np.linalg.eigvalsh(symmetric).min() >= 0.3 - 1e-12
    assert np.linalg.norm(found, 2) > 1


def test_arguments_are_checked():
    dense = nn.Dense(4, b_std=None)
    with pytest.raises(TypeError, match=r"Cell's recurrent layer must be a layer of nnlimits.nn; received 3"):
        nn.Cell(3, dense)
    with pytest.raises(TypeError, match=r"activation must be an activation of nnlimits.nn, such as nn.Tanh\(\)"):
        nn.Cell(dense, dense, activation=dense)
    with pytest.raises(
        TypeError, match=r"constraint must be nn.NormBound\(\), nn.Monotone\(\) or None; received 'norm'"
    ):
        nn.Cell(dense, dense, constraint="norm")
    for constraint in (nn.NormBound(), nn.Monotone()):
        with pytest.raises(
            ValueError, match=r"needs a linear recurrent layer, such as nn.Dense.*received nn.LayerNorm"
        ):
            nn.Cell(nn.LayerNorm(), dense, constraint=constraint)
        with pytest.raises(ValueError, match=r"slopes are known to be bounded.*received nn.Elementwise\(jnp.tanh\)"):
            nn.Cell(dense, dense, activation=nn.Elementwise(jnp.tanh), constraint=constraint)
    with pytest.raises(ValueError, match=r"slopes in \[0, 1\].*those of nn.Gelu\(\) are in \[-0.1299, 1.13\]"):
        nn.Cell(dense, dense, activation=nn.Gelu(), constraint=nn.Monotone())
    with pytest.raises(ValueError, match=r"without a bias, which the injection has; give nn.Dense\(4\) b_std=None"):
        nn.Cell(nn.Dense(4), dense, constraint=nn.Monotone())
    for bound in (-1.0, 0.0, 1.0):
        with pytest.raises(ValueError, match="bound must be strictly between 0 and 1"):
            nn.NormBound(bound)
    for margin in (0.0, -1.0):
        with pytest.raises(ValueError, match=f"margin must be positive; received {margin:g}"):
            nn.Monotone(margin)
    with pytest.raises(
        nn.ShapeError, match=r"a state of the shape of its injection's output, \(4,\), which .* maps to \(3,\)"
    ):
        nn.Cell(nn.Dense(3), dense).state_shape((2,))
    with pytest.raises(nn.ShapeError, match=r"Conv in the recurrent layer of Cell"):
        nn.Cell(nn.Conv(4, 3), dense).state_shape((2,))


def test_widths_and_places():
    """The recurrent map is a hidden layer where the injection makes a width, and one of fixed size where it passes on the
    data."""
    cell = nn.Cell(nn.Dense(8), nn.Dense(8))
    wide = nn.Sequential(nn.Equilibrium(cell), nn.Dense(2), parameterization="mup")
    (equilibrium, own), _ = wide.placed(wide.network_parameterization())
    (_, recurrent), (_, injection) = equilibrium.placed(own)
    assert (recurrent.wide_input, recurrent.wide_output) == (True, True)
    assert (injection.wide_input, injection.wide_output) == (False, True)
    assert equilibrium.makes_width(own)
    assert nn.with_width(wide, 16).layers[0].cell == nn.Cell(nn.Dense(16), nn.Dense(16))
    fixed = nn.Sequential(nn.Equilibrium(nn.Cell(nn.Dense(8), nn.Identity())), nn.Dense(2), parameterization="mup")
    assert nn.with_width(fixed, 16) == fixed
    last = nn.Sequential(nn.Equilibrium(cell), parameterization="mup")
    assert nn.with_width(last, 16) == last
    for name, other in itertools.product(("ntk", "standard", "mup", "mean_field"), (None, nn.NormBound())):
        net = nn.Sequential(
            nn.Equilibrium(nn.Cell(nn.Dense(8), nn.Dense(8), constraint=other)), nn.Dense(2), parameterization=name
        )
        assert jax.eval_shape(lambda key, net=net: net.init(key, (3,)), jax.random.key(0))[1]["weight"].shape == (8, 2)
