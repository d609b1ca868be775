"""Random finite networks, simulated layer by layer from the definitions, with nothing of the library's."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Sample(NamedTuple):
    """What one network says of its outputs, averaged over the last layer's weights."""

    kernel: np.ndarray
    ntk: np.ndarray
    B: np.ndarray
    F: np.ndarray


def _network(key, x, widths, phi, slope, w2, b2):
    """`S`, mean `H` and the two-output contractions behind B and F of one network of hidden `widths`."""
    n = x.shape[0]
    s = b2 + w2 * x @ x.T / x.shape[1]
    keys = jax.random.split(key, 2 * len(widths) + 2)
    u = x / jnp.sqrt(x.shape[1])
    h = None
    for layer, width in enumerate(widths):
        weight = jax.random.normal(keys[2 * layer], (width, u.shape[1]))
        bias = jax.random.normal(keys[2 * layer + 1], (width, 1))
        z = jnp.sqrt(w2) * weight @ u.T + jnp.sqrt(b2) * bias  # (width, n)
        own = jnp.eye(width)[:, :, None, None] * s
        if h is None:
            h = own
        else:
            scaled = weight[:, None, :] * d.T[None]  # (k, n, j)
            left = jnp.einsum("kaj,jiab->kiab", scaled, h)
            h = own + w2 / u.shape[1] * jnp.einsum("kiab,lbi->klab", left, scaled)
        f, d = phi(z), slope(z)
        u = f.T / jnp.sqrt(width)
        s = b2 + w2 * u @ u.T
    mean = s + w2 / width * jnp.einsum("ka,kb,kkab->ab", d, d, h)
    together = jnp.einsum("kc,ld,klcd->klcd", d, d, h)
    big_b = (w2 / width) ** 2 * jnp.einsum("ka,kc,lb,ld,klab,klcd->abcd", d, d, d, d, h, h, optimize="optimal")
    big_f = (w2 / width) ** 2 * jnp.einsum("ka,lb,klcd->abcd", f, f, together)
    del n
    return Sample(s, mean, big_b, big_f)


def moments(key, x, widths, phi, slope, w2, b2, samples, batch=2048):
    """Means over networks: `E[S]`, `E[H]`, `Cov[S, S]`, `Cov[H, H]`, B, `Cov[S, H]`, F; with the errors of the first two."""
    draw = jax.jit(jax.vmap(lambda k: _network(k, x, widths, phi, slope, w2, b2)))
    found = []
    for part in jax.random.split(key, max(1, samples // batch)):
        found.append([np.asarray(v, np.float64) for v in draw(jax.random.split(part, batch))])
    s, h, big_b, big_f = (np.concatenate(v) for v in zip(*found, strict=True))
    ds, dh = s - s.mean(0), h - h.mean(0)
    cov = lambda p, q: np.einsum("sab,scd->abcd", p, q, optimize=True) / len(p)  # noqa: E731
    return {
        "kernel": s.mean(0),
        "ntk": h.mean(0),
        "vertex": cov(ds, ds),
        "A": cov(dh, dh),
        "B": big_b.mean(0),
        "D": cov(ds, dh),
        "F": big_f.mean(0),
        "errors": (s.std(0) / np.sqrt(len(s)), h.std(0) / np.sqrt(len(h))),
    }
