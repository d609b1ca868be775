"""Gram matrices: the kernel's own values whatever the tiles, and where they are stored."""

import inspect
import os
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import nnlimits as nl
from nnlimits import nn, presets

NETWORK = nn.Sequential(nn.Dense(1, w_std=1.3, b_std=0.2), nn.Relu(), nn.Dense(1, w_std=0.9, b_std=0.1))
KERNEL = nl.kernel(NETWORK)
X = np.random.default_rng(0).normal(size=(40, 5))
BOTH = ("ntk", "nngp")
UNCHECKED = inspect.unwrap(nl.gram)
"""Without the type checker of the tests, which would refuse some arguments before the library does."""


def by_hand(x1, x2):
    """NNGP and NTK of `NETWORK` from the arc-cosine formulas of degree 0 and 1 (Cho & Saul 2009), in float64."""
    d = x1.shape[1]
    first = 1.69 * x1 @ x2.T / d + 0.04
    q1, q2 = (1.69 * (x**2).sum(1) / d + 0.04 for x in (x1, x2))
    scale = np.sqrt(q1[:, None] * q2)
    angle = np.arccos(np.clip(first / scale, -1, 1))
    relu = scale / (2 * np.pi) * (np.sin(angle) + (np.pi - angle) * np.cos(angle))
    nngp = 0.81 * relu + 0.01
    return {"nngp": nngp, "ntk": nngp + 0.81 * first * (np.pi - angle) / (2 * np.pi)}


def near(found, expected, eps):
    """Within `eps` of the largest entry: the kernel is of one size, and each entry a sum of a few terms of that size."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=eps * np.abs(expected).max())


# sizes and tiles: float64, where a tile's shape changes at most the order of a sum, so errors are a few units of 2e-16


@settings(max_examples=4, deadline=None, derandomize=True)
@example(n1=40, n2=39, tile=13, first="nngp")
@given(n1=st.integers(1, 40), n2=st.integers(1, 40), tile=st.integers(1, 50), first=st.sampled_from(BOTH))
def test_any_sizes_with_any_tile(n1, n2, tile, first):
    x1, x2 = X[:n1], X[::-1][:n2] + 0.25
    get = (first, "nngp" if first == "ntk" else "ntk")
    found = dict(zip(get, nl.gram(KERNEL, x1, x2, get=get, tile=tile), strict=True))
    for name, expected in by_hand(x1, x2).items():
        assert found[name].shape == (n1, n2)
        near(found[name], expected, 1e-14)


@settings(max_examples=2, deadline=None, derandomize=True)
@example(n=40, tile=13, dtype=np.float64)
@given(n=st.integers(1, 40), tile=st.integers(1, 50), dtype=st.sampled_from([np.float32, np.float64]))
def test_of_a_batch_with_itself_is_exactly_symmetric(n, tile, dtype):
    x = X[:n].astype(dtype)
    found = nl.gram(KERNEL, x, tile=tile)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, found.T)
    # arccos near its end loses half the digits by hand, so the diagonal and its like are compared with the kernel
    near(found, np.asarray(KERNEL.ntk(x)), 4 * np.finfo(dtype).eps)
    near(np.diagonal(found), np.asarray(KERNEL.diagonal(x).ntk), 4 * np.finfo(dtype).eps)
    off = np.where(np.eye(n, dtype=bool), found, by_hand(X[:n], X[:n])["ntk"])
    near(found, off, 1e-5 if dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("tile", [None, 7])
def test_equals_the_kernel(tile):
    found = nl.gram(KERNEL, X, X[:9], get=BOTH, tile=tile)
    for name, values in zip(BOTH, found, strict=True):
        near(values, np.asarray(getattr(KERNEL(X, X[:9]), name)), 1e-14)


def test_default_tile_over_several_tiles():
    x = np.random.default_rng(1).normal(size=(700, 3)).astype(np.float32)  # three tiles of 256 a side
    found = nl.gram(KERNEL, x, get="nngp")
    np.testing.assert_array_equal(found, found.T)
    off = ~np.eye(700, dtype=bool)
    near(found[off], by_hand(*[x.astype(float)] * 2)["nngp"][off], 1e-5)  # float32, and pairs that nearly coincide


def test_dtype_follows_the_inputs_with_double_precision_off():
    assert not jax.config.jax_enable_x64
    exact = by_hand(X[:20], X[20:])
    double, single = (nl.gram(KERNEL, X[:20].astype(t), X[20:].astype(t), get=BOTH) for t in (np.float64, np.float32))
    for name, d, s in zip(BOTH, double, single, strict=True):
        assert type(d) is np.ndarray
        assert (d.dtype, s.dtype) == (np.float64, np.float32)
        near(d, exact[name], 1e-14)
        near(s, exact[name], 1e-5)
        assert np.abs(s - exact[name]).max() > 1e-12  # or single precision would be computed in double
    assert nl.gram(KERNEL, [[1, 2], [3, 4]]).dtype == np.float32
    assert nl.gram(KERNEL, jnp.ones((2, 3))).dtype == np.float32
    with pytest.raises(TypeError, match="mixed dtypes: x1 is float64, x2 is float32"):
        nl.gram(KERNEL, X, X.astype(np.float32))


def test_order_and_number_of_the_results_are_those_asked_for():
    ntk, nngp = nl.gram(KERNEL, X, get=("ntk", "nngp"))
    again = nl.gram(KERNEL, X, get=["nngp", "ntk"])
    np.testing.assert_array_equal(again, (nngp, ntk))
    near(nl.gram(KERNEL, X), ntk, 1e-14)
    (alone,) = nl.gram(KERNEL, X, get=("nngp",))
    near(alone, nngp, 1e-14)
    assert not np.allclose(ntk, nngp)


# where the result goes


def test_into_arrays_and_maps_of_the_caller(tmp_path):
    expected = nl.gram(KERNEL, X, X[:7], get=BOTH)
    array = np.full((40, 7), np.nan)
    mapped = np.lib.format.open_memmap(tmp_path / "map.npy", mode="w+", dtype=np.float64, shape=(40, 7))
    found = nl.gram(KERNEL, X, X[:7], get=BOTH, out=(array, mapped), tile=8)
    assert found[0] is array
    assert found[1] is mapped
    mapped.flush()
    for f, e in zip((array, np.load(tmp_path / "map.npy")), expected, strict=True):
        near(f, e, 1e-14)


def test_into_a_view_without_touching_its_surroundings():
    whole = np.full((50, 90), -7.0)
    nl.gram(KERNEL, X, out=whole[5:45, 1:81:2], tile=16)
    near(whole[5:45, 1:81:2], nl.gram(KERNEL, X), 1e-14)
    whole[5:45, 1:81:2] = -7.0
    assert (whole == -7.0).all()


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
def test_into_a_file(tmp_path, kind):
    path = tmp_path / "gram.npy"
    path.write_bytes(b"what was there before")
    found = nl.gram(KERNEL, X, out=kind(path), tile=16)
    assert isinstance(found, np.memmap)
    assert not found.flags.writeable
    near(np.load(path), nl.gram(KERNEL, X), 1e-14)
    assert list(tmp_path.iterdir()) == [path]


def test_files_and_memory_for_a_tuple(tmp_path):
    ntk, nngp = nl.gram(KERNEL, X, get=BOTH, out=(tmp_path / "ntk.npy", None))
    expected = nl.gram(KERNEL, X, get=BOTH)
    np.testing.assert_array_equal(np.load(tmp_path / "ntk.npy"), expected[0])
    np.testing.assert_array_equal((ntk, nngp), expected)


def test_a_failure_leaves_no_file_and_keeps_the_old_one(tmp_path):
    old, new = tmp_path / "old.npy", tmp_path / "new.npy"
    np.save(old, np.zeros(3))
    x = X.astype(np.float32)
    x[39] *= 1e25
    with pytest.raises(ValueError, match="not finite"):
        nl.gram(KERNEL, x, get=BOTH, out=(old, new), tile=16)
    assert list(tmp_path.iterdir()) == [old]
    np.testing.assert_array_equal(np.load(old), np.zeros(3))


def test_a_file_appears_only_when_it_is_complete(tmp_path, monkeypatch):
    """Each tile that is done finds the final name absent: the bar counts them."""
    from nnlimits.compute.progress import Progress

    path, seen = tmp_path / "gram.npy", []
    monkeypatch.setattr(Progress, "advance", lambda self, steps=1: seen.append(path.exists()))
    nl.gram(KERNEL, X, out=path, tile=8)
    assert len(seen) == 15  # 5 * 6 / 2 tiles of the symmetric half
    assert not any(seen)
    assert path.exists()


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.zeros((40, 39)), ValueError, r"out for the ntk must have shape \(40, 40\).*received \(40, 39\)"),
        (np.zeros(1600), ValueError, r"received \(1600,\)"),
        (np.zeros((40, 40), np.float32), ValueError, "dtype float64; received .* float32"),
        (np.broadcast_to(0.0, (40, 40)), ValueError, "read-only"),
        ([[0.0]], TypeError, "out must be a NumPy array, a memory map or a path; received list"),
        (jnp.zeros((40, 40)), TypeError, "out must be a NumPy array"),
        ((None, None), TypeError, "out must be a NumPy array"),
    ],
    ids=["shape", "rank", "dtype", "broadcast", "list", "jax", "two for one"],
)
def test_refuses_what_cannot_hold_the_result(out, error, message):
    with pytest.raises(error, match=message):
        nl.gram(KERNEL, X, out=out)


def test_refuses_a_map_opened_for_reading_and_another_number_of_targets(tmp_path):
    np.save(tmp_path / "map.npy", np.zeros((40, 40)))
    with pytest.raises(ValueError, match="read-only; open a memory map with mode='r\\+'"):
        nl.gram(KERNEL, X, out=np.load(tmp_path / "map.npy", mmap_mode="r"))
    with pytest.raises(ValueError, match=r"one target for each of .*received 3"):
        nl.gram(KERNEL, X, get=BOTH, out=(None, None, None))
    with pytest.raises(FileNotFoundError, match="absent"):
        nl.gram(KERNEL, X, out=tmp_path / "absent" / "gram.npy")


# bad arguments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(({"tile": t}, "tile must be a positive integer; received") for t in (0, -1, 2.5, True, "8")),
        *(({"get": g}, 'get must be "ntk", "nngp"') for g in ("both", "", (), ("ntk", "ntk"), ("ntk", "x"))),
        ({"devices": []}, "devices must name at least one JAX device"),
    ],
    ids=str,
)
def test_refuses_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        UNCHECKED(KERNEL, X, **options)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (X[0], ValueError, "2 axes"),
        (X[:0], ValueError, "x is empty"),
        (np.where(np.arange(5) == 2, np.nan, X), ValueError, r"x contains nan at index \(0, 2\)"),
        (X.astype(str), TypeError, "real numeric"),
    ],
    ids=["rank", "empty", "nan", "strings"],
)
def test_refuses_bad_inputs(x, error, message):
    with pytest.raises(error, match=message):
        nl.gram(KERNEL, x)


def test_refuses_a_network_or_a_function_for_a_kernel():
    for wrong in (NETWORK, KERNEL.ntk, lambda x1, x2: x1):
        with pytest.raises(TypeError, match=r"kernel must come from nnlimits\.kernel"):
            UNCHECKED(wrong, X)


def test_under_a_transformation_says_what_to_call():
    message = r"cannot run under a JAX transformation; call kernel\(x1, x2\)"
    x = jnp.asarray(X, jnp.float32)
    with pytest.raises(ValueError, match=message):
        jax.jit(lambda x: nl.gram(KERNEL, x))(x)
    with pytest.raises(ValueError, match=message):
        jax.grad(lambda kernel: nl.gram(kernel, x).sum())(KERNEL)
    np.testing.assert_array_equal(nl.gram(KERNEL, x), nl.gram(KERNEL, X.astype(np.float32)))  # and works afterwards


@pytest.mark.parametrize("batch", ["itself", "first", "second"])
def test_a_value_that_is_not_finite_names_its_pair(batch):
    x, ordinary = X.astype(np.float32), X[:30].astype(np.float32)
    x[37] *= 1e25  # its mean square overflows in single precision, and in no other pair is it seen
    arguments = {"itself": (x,), "first": (x, ordinary), "second": (ordinary, x)}[batch]
    pair = {"itself": "0 and 37", "first": "37 and 0", "second": "0 and 37"}[batch]
    for tile in (None, 8, 64):
        with pytest.raises(ValueError, match=f"examples {pair} is not finite in float32.*float64 inputs"):
            nl.gram(KERNEL, *arguments, tile=tile)
    assert np.isfinite(nl.gram(KERNEL, *(a.astype(np.float64) for a in arguments))).all()


def test_gram_stays_a_function():
    import nnlimits.compute as package
    import nnlimits.compute.gram_matrix

    assert nl.gram is package.gram is nnlimits.compute.gram_matrix.gram is nl.gram
    from nnlimits.compute import gram

    assert callable(gram)
    assert gram is nl.gram


# devices and memory, in processes of their own


def measured(code: str, **variables: str) -> str:
    """What a fresh process prints."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=os.environ | variables,
        timeout=280,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_four_devices_give_the_values_of_one():
    code = """
    import jax, numpy as np, nnlimits as nl
    from nnlimits import presets
    devices = jax.devices()
    assert len(devices) == 4, devices
    kernel = nl.kernel(presets.mlp(depth=1))
    x = np.random.default_rng(0).normal(size=(70, 6))
    for arguments in ((x,), (x, x[:33] + 1)):
        one = nl.gram(kernel, *arguments, tile=16, devices=devices[:1])
        for some in (None, devices[2:]):
            np.testing.assert_array_equal(nl.gram(kernel, *arguments, tile=16, devices=some), one)
    print("equal")
    """
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
    assert measured(code, XLA_FLAGS=flags, JAX_PLATFORMS="cpu") == "equal\n"


PEAK = """
import resource, sys
import numpy as np, nnlimits as nl
from nnlimits import presets
resident = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
kernel = nl.kernel(presets.mlp(depth=3))
x = np.random.default_rng(0).normal(size=({n}, 20)).astype(np.float32)
nl.gram(kernel, x[:300], get={get})  # compiled as below: tiles of one shape
before = resident()
found = nl.gram(kernel, x, get={get}, out={out})
found = found if isinstance(found, tuple) else (found,)
output = sum(f.nbytes for f in found)
assert all(np.isfinite(f[-1]).all() for f in found)
print((resident() - before - output) / 2**20)
"""
# `ru_maxrss` counts the pages of a memory map that are resident, at most the whole of it, as it counts an array's; so the
# output is subtracted in both cases. A second copy of it, or a padded one, would exceed the bound by far.
BOUND = 256.0


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is absent")
def test_memory_beyond_the_result():
    n = 6500  # two outputs of 161 MiB
    assert float(measured(PEAK.format(n=n, get=BOTH, out=None), JAX_PLATFORMS="cpu")) < BOUND


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is absent")
@pytest.mark.parametrize("out", ["memory", "file"])
def test_memory_beyond_a_large_result(out, tmp_path):
    target = None if out == "memory" else str(tmp_path / "gram.npy")  # 549 MiB
    assert float(measured(PEAK.format(n=12000, get=repr("ntk"), out=repr(target)), JAX_PLATFORMS="cpu")) < BOUND


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"get": ("ntk", "nngp"), "out": "ab"}, ValueError, "tuple with one target for each"),
        ({"devices": "cpu"}, TypeError, "list of JAX devices"),
        ({"devices": [0]}, TypeError, "list of JAX devices"),
        ({"out": "no/such/folder/a.npy"}, FileNotFoundError, "there is no folder no/such/folder"),
        ({"out": "."}, ValueError, "is a folder"),
    ],
)
def test_arguments_that_name_nothing(arguments, error, message):
    with pytest.raises(error, match=message):
        nl.gram(nl.kernel(presets.mlp(depth=1)), np.ones((3, 2), np.float32), **arguments)


def test_one_array_for_two_kernels_is_refused():
    array = np.zeros((3, 3), np.float32)
    with pytest.raises(ValueError, match="one target twice"):
        nl.gram(nl.kernel(presets.mlp(depth=1)), np.ones((3, 2), np.float32), get=("ntk", "nngp"), out=(array, array))


def test_a_tile_larger_than_the_data_costs_no_more():
    kernel, x = nl.kernel(presets.mlp(depth=1)), np.ones((3, 2), np.float32)
    np.testing.assert_array_equal(nl.gram(kernel, x, tile=10**9), nl.gram(kernel, x))
