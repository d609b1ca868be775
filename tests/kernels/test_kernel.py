"""The public face of a kernel: symmetric, positive semi-definite, invariant; its dtype, its value semantics, its errors."""

import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import nnlimits as nl
from nnlimits import nn

ROWS, FEATURES = 6, 3


def mlp(activation, w_std=1.3, b_std=0.2):
    return nn.Sequential(nn.Dense(8, w_std, b_std), activation, nn.Dense(8, w_std, b_std), activation, nn.Dense(1))


NETWORKS = {
    "relu": mlp(nn.Relu()),
    "relu without bias": mlp(nn.Relu(), b_std=0.0),
    "erf": mlp(nn.Erf()),
    "step": mlp(nn.Step()),
    "tanh": mlp(nn.Tanh()),
    "residual": nn.Sequential(
        nn.Dense(8, 1.2, 0.1), nn.Residual(nn.Sequential(nn.Gelu(), nn.Dense(8))), nn.Relu(), nn.Dense(1)
    ),
    "standard": nn.Sequential(*mlp(nn.Abs()).layers, parameterization="standard"),
    "dropout": nn.Sequential(nn.Dense(8, 1.5, 0.3), nn.Relu(), nn.Dropout(0.4), nn.Dense(8), nn.Erf(), nn.Dense(1)),
    "product": nn.Sequential(
        nn.Parallel(
            nn.Sequential(nn.Dense(8), nn.Relu()), nn.Sequential(nn.Dense(8, 0.5, 1.0), nn.Sin()), merge=nn.Product()
        ),
        nn.Dense(1),
    ),
}
SOME = {name: NETWORKS[name] for name in ("relu without bias", "step", "residual", "product")}
every_network = pytest.mark.parametrize(
    "network", [n if k in SOME else pytest.param(n, marks=pytest.mark.slow) for k, n in NETWORKS.items()], ids=NETWORKS
)
some_networks = pytest.mark.parametrize("network", SOME.values(), ids=SOME)
property_test = settings(max_examples=8, derandomize=True, deadline=None)
# zeros, equal rows and equal entries are what hypothesis likes to draw
batches = arrays(np.float64, (ROWS, FEATURES), elements=st.floats(-10, 10, width=32))


def as_numpy(pair):
    return [np.asarray(values) for values in pair]


def norms(matrix):
    """What an entry's error is relative to: the geometric mean of its two diagonal entries; 1e-80 stands for zero."""
    root = np.sqrt(matrix.diagonal())
    return np.outer(root, root) + (1e-80 if matrix.dtype == np.float64 else 0)


def assert_close(found, expected, tolerance):
    """Relative to the diagonal: entries that are small by cancellation are as accurate as the large ones."""
    assert found.dtype == expected.dtype
    assert (np.abs(found - expected) <= tolerance * norms(expected)).all()


@every_network
@property_test
@given(x=batches)
def test_symmetric_and_positive_semi_definite(network, x):
    """Eigenvalues are at least minus some rounding units of the largest: the matrices are those of a covariance."""
    for matrix in as_numpy(nl.kernel(network)(x)):
        assert_close(matrix.T, matrix, 1e-14)
        values = np.linalg.eigvalsh(matrix)
        assert values[0] >= -1e-14 * values[-1]


@some_networks
@property_test
@given(x=batches)
def test_diagonal(network, x):
    kernel = nl.kernel(network)
    for matrix, diagonal in zip(as_numpy(kernel(x)), as_numpy(kernel.diagonal(x)), strict=True):
        assert diagonal.dtype == x.dtype
        np.testing.assert_allclose(diagonal, matrix.diagonal(), rtol=1e-13, atol=1e-80)


@some_networks
@property_test
@given(x=batches)
def test_a_cross_kernel_is_a_block_of_the_self_kernel(network, x):
    """Equal rows included, where an angle of zero must be found from the values."""
    kernel = nl.kernel(network)
    for block, whole in zip(as_numpy(kernel(x, x[::-1])), as_numpy(kernel(x)), strict=True):
        assert_close(block[:, ::-1], whole, 1e-12)


def test_dropout_tells_an_example_from_its_copy():
    """The masks of two equal rows are independent; an example's with itself is one mask."""
    kernel, x = nl.kernel(NETWORKS["dropout"]), np.ones((2, FEATURES))
    for matrix, cross in zip(as_numpy(kernel(x)), as_numpy(kernel(x, x)), strict=True):
        assert matrix[0, 0] > 1.05 * matrix[0, 1]
        np.testing.assert_allclose(cross, matrix[0, 1], rtol=1e-13)


@every_network
@property_test
@given(x=batches, seed=st.integers(0, 1000))
def test_rotations_and_permutations(network, x, seed):
    """Inputs matter by their inner products alone; the order of the examples does not matter at all.

    A rotation's rounding, 1e-15 of an input, is an angle of 3e-8 where rows are equal: 1e-7 for a step's kernel, which is
    linear in the angle. The noise added to `x` sets rows apart from one another and from zero.
    """
    rng = np.random.default_rng(seed)
    kernel, x = nl.kernel(network), x + rng.standard_normal(x.shape)
    rotation = np.linalg.qr(rng.standard_normal((FEATURES, FEATURES)))[0]
    order = rng.permutation(ROWS)
    found = zip(*(as_numpy(kernel(inputs)) for inputs in (x, x @ rotation, x[order])), strict=True)
    for matrix, rotated, permuted in found:
        assert_close(rotated, matrix, 1e-12)
        assert_close(permuted, matrix[np.ix_(order, order)], 1e-13)


@property_test
@given(x=batches, scale=st.floats(1e-3, 1e3))
def test_relu_without_bias_is_homogeneous(x, scale):
    kernel = nl.kernel(NETWORKS["relu without bias"])
    for matrix, scaled in zip(as_numpy(kernel(x)), as_numpy(kernel(scale * x)), strict=True):
        assert_close(scaled, scale**2 * matrix, 1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_written_out_blocks_equal_repeat(dtype):
    x = np.random.default_rng(0).standard_normal((ROWS, FEATURES)).astype(dtype)
    block = (nn.Dense(8, 1.4, 0.1), nn.Relu())
    written = nn.Sequential(*block * 5, nn.Dense(1))
    nested = nn.Sequential(nn.Sequential(*block), nn.Sequential(*block * 4), nn.Dense(1))
    repeated = nn.Sequential(nn.Repeat(nn.Sequential(*block), 5), nn.Dense(1))
    for other in (nested, repeated):
        for found, expected in zip(as_numpy(nl.kernel(other)(x)), as_numpy(nl.kernel(written)(x)), strict=True):
            assert_close(found, expected, 20 * np.finfo(dtype).eps)


@pytest.mark.parametrize("network", [NETWORKS["relu"], NETWORKS["step"]], ids=repr)
def test_one_kernel_or_both(network):
    kernel, rng = nl.kernel(network), np.random.default_rng(0)
    x1, x2 = rng.standard_normal((ROWS, FEATURES)), rng.standard_normal((ROWS, FEATURES))
    for arguments in ((x1,), (x1, x2)):
        both = kernel(*arguments)
        assert both.nngp.shape == both.ntk.shape == (ROWS, len(arguments[-1]))
        np.testing.assert_allclose(np.asarray(kernel.nngp(*arguments)), np.asarray(both.nngp), rtol=1e-11)
        np.testing.assert_allclose(np.asarray(kernel.ntk(*arguments)), np.asarray(both.ntk), rtol=1e-11)


@pytest.mark.parametrize(
    "name", ["relu", *(pytest.param(name, marks=pytest.mark.slow) for name in ("dropout", "tanh"))]
)
def test_eager_jit_and_vmap_agree_before_and_after(name):
    """To a hundred roundings of float32; the batches of a `vmap` are self kernels."""
    kernel = nl.kernel(NETWORKS[name])
    x = np.random.default_rng(0).standard_normal((3, ROWS, FEATURES)).astype(np.float32)
    before = [as_numpy(kernel(batch)) for batch in x]
    compiled = jax.jit(lambda k, batch: k(batch))
    jitted = [as_numpy(compiled(kernel, batch)) for batch in x]
    mapped = as_numpy(jax.vmap(lambda batch: tuple(kernel(batch)))(x))
    after = [as_numpy(kernel(batch)) for batch in x]
    for i in range(3):
        for j in range(2):
            np.testing.assert_array_equal(after[i][j], before[i][j])
            assert_close(jitted[i][j], before[i][j], 1e-5)
            assert_close(mapped[j][i], before[i][j], 1e-5)
    np.testing.assert_allclose(
        jax.jit(lambda k, batch: k.diagonal(batch).ntk)(kernel, x[0]), before[0][1].diagonal(), rtol=1e-5
    )


def test_a_hyper_parameter_may_be_traced():
    x = np.random.default_rng(0).standard_normal((ROWS, FEATURES)).astype(np.float32)
    by_scale = jax.jit(lambda w, b: nl.kernel(mlp(nn.Relu(), w, b)).ntk(x))
    for w, b in ((1.3, 0.2), (0.4, 2.0)):
        assert_close(np.asarray(by_scale(w, b)), np.asarray(nl.kernel(mlp(nn.Relu(), w, b)).ntk(x)), 1e-5)


@pytest.mark.parametrize("make", [np.asarray, jnp.asarray], ids=["NumPy", "JAX"])
def test_dtype_follows_the_inputs(make):
    kernel, x = nl.kernel(NETWORKS["relu"]), np.random.default_rng(0).standard_normal((ROWS, FEATURES))
    assert not jax.config.jax_enable_x64
    narrow = kernel(make(x.astype(np.float32)))
    assert narrow.nngp.dtype == narrow.ntk.dtype == kernel.diagonal(make(x.astype(np.float32))).ntk.dtype == np.float32
    with jax.enable_x64(True):
        wide_input, still_narrow = make(x), kernel.ntk(make(x.astype(np.float32)))
    assert still_narrow.dtype == np.float32
    wide = kernel(wide_input)
    assert wide.nngp.dtype == wide.ntk.dtype == kernel.diagonal(wide_input).ntk.dtype == np.float64
    assert not jax.config.jax_enable_x64
    with jax.enable_x64(True):
        inside = kernel(jnp.asarray(x))
    for found, expected in zip(as_numpy(wide), as_numpy(inside), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_one_kernel_can_be_pickled():
    """What is fitted with a kernel holds one of its methods."""
    ntk = nl.kernel(NETWORKS["relu"]).ntk
    again = pickle.loads(pickle.dumps(ntk))
    assert again == ntk
    assert again != nl.kernel(NETWORKS["relu"]).nngp


def test_a_kernel_is_a_value():
    kernel = nl.kernel(mlp(nn.Relu()))
    same, other = nl.kernel(mlp(nn.Relu())), nl.kernel(mlp(nn.Relu(), b_std=0.3))
    assert kernel == same
    assert hash(kernel) == hash(same)
    assert kernel != other
    assert {kernel: "a", other: "b"}[same] == "a"
    assert "w_std=1.3, b_std=0.2" in repr(kernel)
    assert "b_std=0.3" in repr(other)
    leaves, structure = jax.tree.flatten(kernel)
    assert leaves == [1.3, 0.2, 1.3, 0.2, 1.0, 0.0]
    assert jax.tree.unflatten(structure, leaves) == kernel


X = np.random.default_rng(0).standard_normal((ROWS, FEATURES))
BAD = {
    "nan": (
        (np.where(np.arange(18).reshape(X.shape) == 7, np.nan, X),),
        ValueError,
        r"x contains nan at index \(2, 1\)",
    ),
    "infinity in x2": ((X, X * [1, 1, np.inf]), ValueError, r"x2 contains -?inf at index \(0, 2\)"),
    "one example": ((X[0],), ValueError, r"x must have 2 axes.*\(3,\).*x\[None\]"),
    "too many axes": (
        (X[None, None],),
        ValueError,
        r"Dense at position 0 expects a flat input; it received \(1, 6, 3\)",
    ),
    "features differ": ((X, X[:, :2]), ValueError, r"same features.*\(6, 3\) and \(6, 2\)"),
    "empty": ((X[:0],), ValueError, r"x is empty: shape \(0, 3\)"),
    "empty x2": ((X, X[:0]), ValueError, "x2 is empty"),
    "no features": ((X[:, :0],), ValueError, "axis of length zero"),
    "mixed dtypes": ((X, X.astype(np.float32)), TypeError, "x1 is float64, x2 is float32"),
    # the message is the library's, or that of the type checker of the tests
    "strings": ((np.array([["a"]]),), TypeError, "real numeric array|x1|'x'"),
    "objects": ((X.astype(object),), TypeError, "real numeric array|x1|'x'"),
    "complex": ((X * 1j,), TypeError, "real numeric array|x1|'x'"),
}


@pytest.mark.parametrize(("arguments", "error", "message"), BAD.values(), ids=BAD)
def test_bad_inputs(arguments, error, message):
    kernel = nl.kernel(NETWORKS["relu"])
    calls = [kernel, kernel.nngp, kernel.ntk, *([kernel.diagonal] if len(arguments) == 1 else [])]
    for call in calls:
        with pytest.raises(error, match=message):
            call(*arguments)


@pytest.mark.parametrize("network", [None, lambda x: x, "relu", nn.Sum()], ids=["none", "function", "name", "merge"])
def test_not_a_network(network):
    with pytest.raises(TypeError, match="network"):
        nl.kernel(network)


def test_a_network_without_a_rule_says_so():
    infinite = nn.Sequential(nn.Repeat(nn.Sequential(nn.Dense(8), nn.Relu()), math.inf), nn.Dense(1))
    with pytest.raises(NotImplementedError, match="infinite depth"):
        nl.kernel(infinite)(X)
    with pytest.raises(NotImplementedError, match=r"nn\.Relu\(\).*not Gaussian"):
        nl.kernel(nn.Sequential(nn.Relu(), nn.Dense(1)))(X)
