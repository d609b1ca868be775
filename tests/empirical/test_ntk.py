"""The three algorithms for the empirical NTK, against the definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from functions import CASES, draw, kernel_by_definition, mlp, shared, tokens

import nnlimits as nl
from nnlimits.empirical import batches, contractions
from nnlimits.empirical.cost import Task, choose_algorithm
from nnlimits.empirical.structured import structure_of

ALGORITHMS = ["jacobian", "vector_products", "structured"]


def to_dtype(params, dtype):
    return jax.tree.map(lambda leaf: np.asarray(leaf, dtype), params)


SLOW_IN_SINGLE = [pytest.param(case, marks=pytest.mark.slow) for case in CASES if case is not mlp]


@pytest.mark.parametrize(
    ("case", "algorithm"),
    [
        pytest.param(c, a, marks=() if a == "structured" or c is mlp else pytest.mark.slow, id=f"{c.__name__}-{a}")
        for c in CASES
        for a in ALGORITHMS
    ],
)
def test_equals_the_definition(case, algorithm):
    """To rounding: 1e-10 of the largest entry."""
    f, params, shape = case()
    x1, x2 = draw(8, 5, *shape), draw(9, 3, *shape)
    expected = kernel_by_definition(f, params, x1, x2)
    found = nl.empirical.ntk(f, params, x1, x2, algorithm=algorithm)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-10 * abs(expected).max(), rtol=0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("case", [mlp, *SLOW_IN_SINGLE], ids=lambda case: case.__name__)
def test_single_precision(case, algorithm):
    """To its rounding: 1e-5 of the largest entry. The examples, in double precision, take that of the parameters."""
    f, params, shape = case()
    x1, x2 = draw(8, 5, *shape), draw(9, 3, *shape)
    expected = kernel_by_definition(f, params, x1, x2)
    found = nl.empirical.ntk(f, to_dtype(params, np.float32), x1, x2, algorithm=algorithm)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5 * abs(expected).max(), rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "algorithm", ["structured", *(pytest.param(a, marks=pytest.mark.slow) for a in ("jacobian", "vector_products"))]
)
def test_forms_of_the_result(algorithm):
    f, params, shape = mlp()
    x1, x2 = draw(8, 4, *shape), draw(9, 4, *shape)
    for other in (x2, None):
        full = kernel_by_definition(f, params, x1, x1 if other is None else other)
        diagonal = np.einsum("ijaa->ija", full)
        forms = {"full": full, "diagonal": diagonal, "trace": diagonal.mean(-1)}
        for outputs, expected in forms.items():
            options = {"outputs": outputs, "algorithm": algorithm}
            found = nl.empirical.ntk(f, params, x1, other, **options)
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
            matched = nl.empirical.ntk(f, params, x1, other, pairs="matched", **options)
            np.testing.assert_allclose(matched, expected[np.arange(4), np.arange(4)], rtol=1e-10, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("outputs", ["full", *(pytest.param(o, marks=pytest.mark.slow) for o in ("trace", "diagonal"))])
def test_half_of_a_symmetric_kernel_is_the_transpose_of_the_other(outputs, monkeypatch):
    monkeypatch.setattr("nnlimits.empirical.pairs._ROWS_WORTH_STRIPS", 1)
    f, params, shape = mlp()
    x = draw(8, 11, *shape)
    expected = np.asarray(nl.empirical.ntk(f, params, x, x, outputs=outputs, algorithm="structured"))
    for algorithm in ("jacobian", "structured"):
        found = np.asarray(nl.empirical.ntk(f, params, x, outputs=outputs, algorithm=algorithm))
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12 * abs(expected).max())
        mirrored = found.swapaxes(0, 1)
        np.testing.assert_array_equal(
            found[:2, 2:], (mirrored.swapaxes(2, 3) if outputs == "full" else mirrored)[:2, 2:]
        )


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", [pytest.param("jacobian", marks=pytest.mark.slow), "structured"])
@pytest.mark.parametrize("working_bytes", [1, pytest.param(20_000, marks=pytest.mark.slow)])
def test_batches(algorithm, working_bytes, monkeypatch):
    """Memory for one example, or a few of them: batches that do not divide the examples, outputs a few at a time."""
    monkeypatch.setattr(batches, "WORKING_BYTES", working_bytes)
    monkeypatch.setattr(contractions, "CHUNK_BYTES", 100)
    monkeypatch.setattr(contractions, "_UNFUSED_BYTES", 1)
    monkeypatch.setattr(batches, "batch_size", lambda held, n, result: max(1, min(n, int(working_bytes / held))))
    f, params, shape = tokens()
    x1, x2 = draw(8, 7, *shape), draw(9, 4, *shape)

    def compute(x, other, outputs, **options):  # compiled anew, with the sizes patched here
        return nl.empirical.ntk(lambda p, x: f(p, x), params, x, other, outputs=outputs, algorithm=algorithm, **options)

    for other in (x2, None):
        expected = kernel_by_definition(f, params, x1, x1 if other is None else other)
        found = compute(x1, other, "full")
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * abs(expected).max())
    diagonal = np.einsum("ijaa->ija", expected)
    tolerance = {"rtol": 0, "atol": 1e-12 * abs(expected).max()}
    np.testing.assert_allclose(compute(x1, None, "trace"), diagonal.mean(-1), **tolerance)
    own = diagonal[np.arange(7), np.arange(7)]
    np.testing.assert_allclose(compute(x1, None, "diagonal", pairs="matched"), own, **tolerance)


def test_never_the_jacobian_of_all_examples():
    """The compiled program's temporary memory stays within two batches' Jacobians, where the Jacobian is 20 times that."""
    f, params, shape = mlp()
    x = jnp.asarray(draw(8, 200, *shape), jnp.float32)
    params = to_dtype(params, np.float32)
    jacobian_bytes = 200 * 3 * sum(leaf.size for leaf in jax.tree.leaves(params)) * 4
    budget = jacobian_bytes // 20

    def temporary(working_bytes):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batches, "WORKING_BYTES", working_bytes)
            compute = jax.jit(lambda p, x: nl.empirical.ntk(f, p, x, outputs="trace", algorithm="jacobian"))
            jax.clear_caches()
            return compute.lower(params, x).compile().memory_analysis().temp_size_in_bytes

    result = 200 * 200 * 4
    assert temporary(2**30) > jacobian_bytes
    assert temporary(budget) < 2 * max(budget, result) + result


def images():
    """A convolution of few channels over many positions, whose Jacobian is smaller than its cotangents."""
    net = nl.presets.cnn(2, 16, readout=nl.nn.GlobalAvgPool(), outputs=3)
    f, shape = net.apply, (16, 16, 3)
    return f, net.init(jax.random.key(0), shape, dtype=np.float32), jnp.asarray(draw(8, 40, *shape), jnp.float32)


@pytest.mark.slow
@pytest.mark.parametrize("parts", [16, pytest.param(2, marks=pytest.mark.slow)])
def test_memory_of_convolutions(parts, monkeypatch):
    """At most the result and twice the Jacobian, few examples at a time, written out or in a loop; and the same kernel."""
    f, params, x = images()
    n_outputs = 3

    def compiled(outputs):
        jax.clear_caches()
        return jax.jit(lambda p, x: nl.empirical.ntk(f, p, x, outputs=outputs, algorithm="structured")).lower(params, x)

    result = 40 * 40 * n_outputs**2 * 4
    jacobian = 40 * n_outputs * sum(leaf.size for leaf in jax.tree.leaves(params)) * 4
    at_once = compiled("full").compile()
    assert at_once.memory_analysis().temp_size_in_bytes > result + 2 * jacobian
    monkeypatch.setattr(batches, "_PART_BYTES", jacobian / 4)
    monkeypatch.setattr(batches, "_PARTS", parts)
    in_parts = compiled("full").compile()
    assert in_parts.memory_analysis().temp_size_in_bytes <= result + 2 * jacobian
    for program in (at_once, in_parts):
        expected = nl.empirical.ntk(f, params, x, algorithm="vector_products")
        np.testing.assert_allclose(program(params, x), expected, rtol=0, atol=1e-5 * abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", [None, *(pytest.param(name, marks=pytest.mark.slow) for name in ALGORITHMS)])
def test_under_transformations(algorithm):
    f, params, shape = mlp()
    params, x = to_dtype(params, np.float32), draw(8, 3, *shape, dtype=np.float32)

    def total(x):
        return nl.empirical.ntk(f, params, x, outputs="trace", algorithm=algorithm).sum()

    direction = draw(9, *x.shape, dtype=np.float32)
    with jax.enable_x64(True):
        doubles = to_dtype(params, np.float64)
        step = 1e-6 * direction.astype(np.float64)
        high, low = (np.einsum("ijaa->", kernel_by_definition(f, doubles, x + s, x + s)) for s in (step, -step))
    expected = (high - low) / 2e-6 / 3
    np.testing.assert_allclose((jax.jit(jax.grad(total))(x) * direction).sum(), expected, rtol=1e-3)


def test_known_arrays_inside_a_compiled_function():
    f, params, shape = mlp()
    params, x = jax.tree.map(jnp.asarray, to_dtype(params, np.float32)), jnp.asarray(draw(8, 3, *shape), jnp.float32)
    inside = jax.jit(lambda: nl.empirical.ntk(f, params, x, outputs="trace"))()
    np.testing.assert_allclose(inside, nl.empirical.ntk(f, params, x, outputs="trace"), rtol=1e-5)


def test_examples_may_be_integers():
    table = {"embedding": draw(0, 5, 3), "head": draw(1, 3, 2)}

    def f(params, x):
        return params["embedding"][x].mean(1) @ params["head"]

    x = np.array([[0, 1, 1], [4, 2, 0]])
    expected = kernel_by_definition(f, table, x, x)
    for algorithm in ALGORITHMS:
        np.testing.assert_allclose(nl.empirical.ntk(f, table, x, algorithm=algorithm), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"outputs": "mean"}, ValueError, "outputs must be 'full', 'trace' or 'diagonal'; received 'mean'"),
        ({"pairs": "some"}, ValueError, "pairs must be"),
        ({"algorithm": "fast"}, ValueError, "algorithm must be"),
        ({"x1": np.full((2, 4), np.nan)}, ValueError, r"x1 contains nan at index \(0, 0\)"),
        ({"x1": np.zeros((0, 4))}, ValueError, "x1 must hold examples"),
        ({"x1": np.array([["a"]])}, TypeError, "x1 must be a numeric array"),
        ({"x2": np.zeros((2, 3))}, ValueError, "x1 and x2 must hold examples of one shape"),
        ({"x2": np.zeros((3, 4)), "pairs": "matched"}, ValueError, "as many x1 as x2; received 2 and 3"),
        ({"params": ()}, ValueError, "params holds no arrays"),
        ({"params": {"a": np.arange(3)}}, TypeError, r"params\['a'\] must be a real array; received int64"),
        ({"params": {"a": np.array([1.0, np.inf])}}, ValueError, r"params\['a'\] contains inf at index 1"),
        ({"f": 3}, TypeError, "f must be a function"),
        ({"f": lambda p, x: x[0]}, ValueError, "examples along the first axis"),
        ({"f": lambda p, x: (x, x)}, TypeError, "f must return one real array"),
        ({"f": lambda p, x: x}, ValueError, "do not depend on params"),
    ],
)
def test_bad_arguments(changed, error, message):
    f, params, _ = shared()
    arguments = {"f": f, "params": params, "x1": draw(0, 2, 4), "x2": draw(1, 2, 4)} | changed
    with pytest.raises(error, match=message):
        nl.empirical.ntk(**arguments)


def test_structure_is_found_where_there_is_some():
    """Which parameters keep to Jacobians: those used more than once, in a loop, or in other operations."""
    kept = {"shared": {"twice"}, "tokens": {"qkv", "scale"}, "scanned": {"0", "1"}}
    for case in CASES:
        f, params, shape = case()
        with jax.enable_x64(True):
            structure = structure_of(f, params, jax.ShapeDtypeStruct(shape, np.float64))
        paths = [jax.tree_util.keystr(path, simple=True) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
        assert {paths[leaf] for leaf in structure.plain} == kept.get(case.__name__, set())


def test_a_weight_and_its_bias_share_the_cotangent():
    f, params, shape = mlp()
    with jax.enable_x64(True):
        structure = structure_of(f, params, jax.ShapeDtypeStruct(shape, np.float64))
    assert len(structure.uses) == 6
    assert len(structure.sites()) == 3


def test_choice_of_algorithm():
    """Few large convolutional outputs: vector products; dense layers: structured; nothing but loops: Jacobians."""
    f, params, shape = mlp()
    with jax.enable_x64(True):
        structure = structure_of(f, params, jax.ShapeDtypeStruct(shape, np.float64))
        sizes = [leaf.size for leaf in jax.tree.leaves(params)]
        assert choose_algorithm(Task(100, None, 3, "full", False, 8), structure, sizes) == "structured"
        plain = structure._replace(uses=(), plain=tuple(range(6)))
        assert choose_algorithm(Task(100, None, 3, "trace", False, 8), plain, sizes) == "jacobian"
        many = plain._replace(n_outputs=10**4)
        assert choose_algorithm(Task(2, 2, 10**4, "full", False, 8), many, sizes) == "vector_products"
