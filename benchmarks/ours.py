"""nnlimits' side of the comparison: a process driven by `measure.py`.

Inputs are handed over as NumPy arrays, so what a call costs includes bringing them to the device.
"""

import pathlib
import tempfile

import numpy as np
from finite_networks import finite_network
from worker import serve


def network(case, activation):
    import jax.numpy as jnp

    from nnlimits import nn

    activations = {
        "relu": nn.Relu,
        "erf": nn.Erf,
        "gelu": nn.Gelu,
        "tanh": nn.Tanh,
        "elementwise-tanh": lambda: nn.Elementwise(jnp.tanh),
    }
    if case.readout:
        layers = (nn.Conv(512, 3, w_std=case.w_std, b_std=case.b_std), activations[activation]())
        end = nn.Flatten() if case.readout == "flatten" else nn.GlobalAvgPool()
        return nn.Sequential(*layers * case.depth, end, nn.Dense(1, w_std=case.w_std, b_std=case.b_std))
    hidden = []
    for _ in range(case.depth):
        hidden += [nn.Dense(512, w_std=case.w_std, b_std=case.b_std), activations[activation]()]
    return nn.Sequential(*hidden, nn.Dense(1, w_std=case.w_std, b_std=case.b_std))


def build(case, activation, variant, x):
    import jax

    import nnlimits as nl

    if case.empirical:
        f, params = finite_network(case)
        params, x = jax.tree.map(jax.numpy.asarray, (params, x))
        return lambda: (None, jax.block_until_ready(nl.empirical.ntk(f, params, x, outputs=case.empirical)))
    kernel = nl.kernel(network(case, activation))
    if case.output == "memmap":
        return lambda: (None, to_memory_map(nl, kernel, x))

    def both():
        result = jax.block_until_ready(kernel(x))
        return result.nngp, result.ntk

    return both


def to_memory_map(nl, kernel, x):
    """The NTK of `x`, written to a temporary file through a memory map; its corner is returned."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "ntk.npy"
        out = np.lib.format.open_memmap(path, mode="w+", dtype=x.dtype, shape=(len(x), len(x)))
        nl.gram(kernel, x, get="ntk", out=out)
        out.flush()
        return np.array(out[:128, :128])


if __name__ == "__main__":
    serve(build)
