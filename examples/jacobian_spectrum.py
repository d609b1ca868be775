"""Singular values of the input-output Jacobian: the law at infinite width, over those of random networks.

    python examples/jacobian_spectrum.py --figure jacobian_spectrum.png

Networks of depth 8, w_std = 1.2 and b_std = 0.2 with hard tanh, Gaussian weights against orthogonal ones (Pennington,
Schoenholz & Ganguli 2017). The finite networks have `--width` units a layer; about half a minute on one core.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from nnlimits import nn, plots, signal

WEIGHTS = ("gaussian", "orthogonal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--width", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--figure", type=Path, default=Path("jacobian_spectrum.png"))
    options = parser.parse_args()
    net = nn.Sequential(*[nn.Dense(options.width, w_std=1.2, b_std=0.2), nn.HardTanh()] * options.depth)
    keys = jax.random.split(jax.random.key(0), options.seeds)
    laws, simulated = {}, {}
    for weights in WEIGHTS:
        name = f"{weights.capitalize()} weights"
        laws[name] = signal.jacobian_spectrum(net, weights=weights)
        simulated[name] = np.concatenate([singular_values(net, key, weights) for key in keys])
        print(
            f"{name}: share of zeros {laws[name].zero:.3f}, Kolmogorov distance {distance(laws[name], simulated[name]):.4f}"
        )
    print(f"saved: {plots.save(plots.jacobian_spectrum(laws, simulated=simulated), options.figure)}")


def singular_values(net: nn.Sequential, key: jax.Array, weights: str) -> np.ndarray:
    """Of the Jacobian of one random network, at one random input."""
    draw, place = jax.random.split(key)
    width = net.layers[0].width
    params = net.init(draw, (width,))
    if weights == "orthogonal":
        params = jax.tree.map(lambda leaf: orthogonal(leaf) if leaf.ndim == 2 else leaf, params)
    x = jax.random.normal(place, (width,))
    x *= jnp.sqrt(width) / jnp.linalg.norm(x)
    jacobian = jax.jit(jax.jacfwd(lambda x: net.apply(params, x[None])[0]))(x)
    values = np.linalg.svd(np.asarray(jacobian), compute_uv=False)
    return np.where(values < 1e-6 * values[0], 0.0, values)


def orthogonal(gaussian: jax.Array) -> jax.Array:
    """A matrix of uniformly random directions, its entries of unit mean square as those of the Gaussian one it is made from."""
    q, r = jnp.linalg.qr(gaussian)
    return q * jnp.sign(jnp.diag(r)) * jnp.sqrt(len(q))


def distance(law: signal.JacobianSpectrum, values: np.ndarray) -> float:
    """The largest difference of the two distribution functions above 1e-3, below which finite networks have zeros instead."""
    values = np.sort(values)
    share = np.arange(1, len(values) + 1) / len(values)
    return float(abs(np.interp(values, law.singular_values, law.cumulative) - share)[values > 1e-3].max())


if __name__ == "__main__":
    main()
