"""How pairs are divided while they are computed changes no value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.compute.tiles import Load, tile_size
from nnlimits.kernels import evaluate
from nnlimits.kernels.load import load, work_of_a_pair

GET = ("nngp", "ntk")
CONV = nn.Conv(4, 3, w_std=1.3, b_std=0.2)
NETWORKS = {
    "repeated": nn.Sequential(CONV, nn.Relu(), CONV, nn.Relu(), CONV, nn.Relu(), nn.Flatten(), nn.Dense(1)),
    "dropout": nn.Sequential(CONV, nn.Relu(), nn.Dropout(0.3), CONV, nn.Relu(), nn.Flatten(), nn.Dense(1)),
    "masked": nn.Masked(nn.Conv(4, 3), nn.Relu(), nn.Conv(4, 3), nn.Relu(), nn.Flatten(), nn.Dense(1)),
}


def inputs(name: str) -> np.ndarray:
    shape = (6, 5, 2) if name != "masked" else (7, 2)
    x = np.random.default_rng(0).standard_normal((12, *shape)).astype(np.float32)
    if name == "masked":
        x[::2, 4:] = 0.0
    return x


def kernels(network, x, same):
    """Of all of `x` and its first seven, compiled anew."""

    def pairs(network):
        first, second = (evaluate.batch(GET, network, part) for part in (x, x[:7]))
        return jnp.stack(evaluate.pairs(GET, network, first, second, same))

    return jax.jit(pairs)(network)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_some_rows_at_a_time_are_all(name, monkeypatch):
    network, x = evaluate.prepare(NETWORKS[name], np.float32), jnp.asarray(inputs(name))
    same = jnp.eye(12, 7, dtype=bool)
    whole = kernels(network, x, same)
    monkeypatch.setattr(evaluate, "_PART", 5 * x[:7, ..., 0].nbytes)  # five do not divide twelve, so it is four
    # sums of the same numbers, rounded in another order at most
    np.testing.assert_allclose(kernels(network, x, same), whole, rtol=2e-6)


@pytest.mark.slow
def test_gradients_of_some_rows_at_a_time(monkeypatch):
    x, same = jnp.asarray(inputs("repeated")[:4]), jnp.eye(4, 4, dtype=bool)
    network = evaluate.prepare(NETWORKS["repeated"], np.float32)

    def slope():
        def scaled(scale):
            return kernels(jax.tree.map(lambda v: scale * v, network), x, same).sum()

        return jax.grad(scaled)(1.0)

    whole = slope()
    monkeypatch.setattr(evaluate, "_PART", 1)
    np.testing.assert_allclose(slope(), whole, rtol=2e-5)


def test_tiles_suit_vectors_and_cache():
    diagonal, whole = NETWORKS["repeated"], nn.Sequential(CONV, nn.Relu(), nn.GlobalAvgPool(), nn.Dense(1))
    devices = jax.devices("cpu")
    for side in (8, 28, 32, 224):
        assert tile_size(1000, 1000, devices, load(diagonal, (side, side, 3), np.float32)) % 16 == 0
    assert load(diagonal, (3,), np.float32) == Load()
    sizes = [
        tile_size(1000, 1000, devices, load(whole, (side, side, 3), dtype))
        for side, dtype in ((4, "float32"), (8, "float32"), (8, "float64"), (32, "float64"), (224, "float64"))
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 1 == sizes[-1]
    assert all(size & (size - 1) == 0 for size in sizes)
    assert work_of_a_pair(whole, (8, 8, 3)) == 64**2
    assert work_of_a_pair(diagonal, (8, 8, 3)) == 64
