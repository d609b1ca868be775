"""Kernels averaged over random networks."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from functions import draw

import nnlimits as nl
from nnlimits import nn

NET = nn.Sequential(nn.Dense(32, b_std=0.2), nn.Relu(), nn.Dense(2, b_std=0.2))


@pytest.mark.slow
def test_is_the_mean_and_its_error():
    """Against the draws one by one, in double precision: to rounding (1e-10)."""
    x1, x2, key = draw(0, 4, 3), draw(1, 2, 3), jax.random.key(5)
    found = nl.empirical.monte_carlo(NET, 37)(key, x1, x2)
    nngps, ntks = [], []
    for i in range(37):
        params = NET.init(jax.random.split(jax.random.fold_in(key, i))[0], (3,), dtype=np.float64)
        nngps.append(np.asarray(nl.empirical.nngp(NET.apply, params, x1, x2)))
        ntks.append(np.asarray(nl.empirical.ntk(NET.apply, params, x1, x2, outputs="trace")))
    for mean, error, draws in ((found.nngp, found.nngp_error, nngps), (found.ntk, found.ntk_error, ntks)):
        assert mean.dtype == np.float64
        np.testing.assert_allclose(mean, np.mean(draws, 0), rtol=1e-10)
        np.testing.assert_allclose(error, np.std(draws, 0, ddof=1) / np.sqrt(37), rtol=1e-8)


@pytest.mark.parametrize("dropout", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["plain", "dropout"])
def test_tends_to_the_infinite_network(dropout):
    """Seed 0. One hidden layer: both kernels' expectations are those of the limit at any width, so deviations are in
    standard errors alone; the largest of 20 is below 4 with probability 0.999."""
    layers = [nn.Dense(128, b_std=0.2), nn.Relu(), *([nn.Dropout(0.3)] if dropout else []), nn.Dense(1, b_std=0.2)]
    net = nn.Sequential(*layers)
    x = draw(2, 4, 3, dtype=np.float32)
    found = nl.empirical.monte_carlo(net, 400)(jax.random.key(0), x)
    limit = nl.kernel(net)(x)
    assert (abs(found.nngp - limit.nngp) < 4 * found.nngp_error).all()
    assert (abs(found.ntk - limit.ntk) < 4 * found.ntk_error).all()
    assert (found.ntk_error < 0.05 * found.ntk.max()).all()


@pytest.mark.slow
def test_several_devices_give_the_same():
    code = (
        "import jax, numpy as np, nnlimits as nl\n"
        "from nnlimits import nn\n"
        "assert len(jax.devices()) == 3\n"
        "net = nn.Sequential(nn.Dense(8), nn.Relu(), nn.Dense(1))\n"
        "x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)\n"
        "all_devices = nl.empirical.monte_carlo(net, 70)(jax.random.key(0), x)\n"
        "one = nl.empirical.monte_carlo(net, 70, devices=jax.devices()[:1])(jax.random.key(0), x)\n"
        "for a, b in zip(all_devices, one):\n"
        "    np.testing.assert_array_equal(a, b)\n"
    )
    flags = "--xla_force_host_platform_device_count=3"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=200, env=environment)


def test_bad_arguments():
    with pytest.raises(TypeError, match="network must be an expression"):
        nl.empirical.monte_carlo(3, 10)
    with pytest.raises(ValueError, match="samples must be a whole number, at least 2"):
        nl.empirical.monte_carlo(NET, 1)
    with pytest.raises(ValueError, match="at least one JAX device"):
        nl.empirical.monte_carlo(NET, 2, devices=[])
    with pytest.raises(ValueError, match="x1 contains nan"):
        nl.empirical.monte_carlo(NET, 2)(jax.random.key(0), np.full((2, 3), np.nan))
