"""neural-tangents' side of the comparison. Runs in the peer's environment, as a process driven by `measure.py`.

Variants:

- `jit`: the whole `kernel_fn` under `jax.jit`;
- `batch-B`: `neural_tangents.batch(kernel_fn, B)`, its serial tiling, results kept on the device;
- `devices-B`: the same over two XLA devices of the CPU, in parallel.

Each asks for both kernels in one pass, `get=("nngp", "ntk")`. For empirical kernels:

- `implementation-I`: `nt.empirical_ntk_fn` by Jacobian contraction (1), NTK-vector products (2) or structured derivatives
  (3), under `jax.jit`, with the examples declared independent of each other.
"""

import os
import sys

import tensorflow_stand_in
from finite_networks import finite_network
from worker import serve

NODES = 25  # the number of quadrature nodes its documentation recommends for smooth functions


def configure(arguments):
    """Set what JAX reads when it is imported."""
    if '"float64"' in " ".join(arguments):
        os.environ["JAX_ENABLE_X64"] = "1"
    if any(argument.startswith("devices-") for argument in arguments):
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count=2".strip()


def network(case, activation):
    import jax.numpy as jnp
    from neural_tangents import stax

    layers = {
        "relu": stax.Relu,
        "erf": stax.Erf,
        "gelu": stax.Gelu,
        "numerical-tanh": lambda: stax.ElementwiseNumerical(jnp.tanh, deg=NODES),
    }
    if case.readout:
        hidden = []
        for _ in range(case.depth):
            convolution = stax.Conv(512, (3, 3), padding="SAME", W_std=case.w_std, b_std=case.b_std)
            hidden += [convolution, layers[activation]()]
        end = stax.Flatten() if case.readout == "flatten" else stax.GlobalAvgPool()
        return stax.serial(*hidden, end, stax.Dense(1, W_std=case.w_std, b_std=case.b_std))
    hidden = []
    for _ in range(case.depth):
        hidden += [stax.Dense(512, W_std=case.w_std, b_std=case.b_std), layers[activation]()]
    return stax.serial(*hidden, stax.Dense(1, W_std=case.w_std, b_std=case.b_std))


def build(case, activation, variant, x):
    import jax
    import neural_tangents as nt

    if case.empirical:
        return empirical(nt, case, variant, x)
    _, _, kernel_fn = network(case, activation)
    both = ("nngp", "ntk")
    x = jax.block_until_ready(jax.numpy.asarray(x))
    kind, _, size = variant.partition("-")
    if kind == "jit":
        whole = jax.jit(lambda x: tuple(kernel_fn(x, None, both)))
        return lambda: jax.block_until_ready(whole(x))
    devices = 2 if kind == "devices" else 0
    tiled = nt.batch(kernel_fn, batch_size=int(size), device_count=devices, store_on_device=True)
    return lambda: jax.block_until_ready(tuple(tiled(x, None, both)))


def empirical(nt, case, variant, x):
    import jax

    f, params = finite_network(case)
    params, x = jax.tree_util.tree_map(jax.numpy.asarray, (params, x))
    implementation = nt.NtkImplementation(int(variant.removeprefix("implementation-")))
    axes = () if case.empirical == "full" else (-1,)
    kernel = jax.jit(nt.empirical_ntk_fn(f, trace_axes=axes, vmap_axes=0, implementation=implementation))
    return lambda: (None, jax.block_until_ready(kernel(x, None, params)))


if __name__ == "__main__":
    configure(sys.argv[1:])
    tensorflow_stand_in.install()
    serve(build)
