"""Parameterizations: the scales of every parameter by its role, and the same bits as ever for "ntk" and "standard"."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import nn
from nnlimits.training import learning_rates

KEY = jax.random.key(3)
MLP = (
    nn.Dense(6, w_std=1.5, b_std=0.2),
    nn.Tanh(),
    nn.Dense(7, w_std=0.5, b_std=0.3),
    nn.Tanh(),
    nn.Dense(2, b_std=0.1),
)

RATE_SAYS_ROLE = nn.ABC((0, 0, 1), (0, 0.5, 2), (0, 0.5, 3), fixed=(0, 0.5))
"""Learning rates n^-1, n^-2 and n^-3 of input, hidden and output parameters."""


def roles(*layers, shape):
    """The role and the n of every parameter, read off its learning rate."""
    found = {}
    rates = learning_rates(nn.Sequential(*layers, parameterization=RATE_SAYS_ROLE), shape)
    for path, rate in jax.tree_util.tree_leaves_with_path(rates):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        found[name] = [_role(float(1 / value)) for value in rate.ravel()]
    return {name: found[name][0] if len(set(found[name])) == 1 else found[name] for name in found}


def _role(inverse_rate):
    if inverse_rate == 1:
        return "fixed"
    for exponent, role in ((1, "input"), (2, "hidden"), (3, "output")):
        n = inverse_rate ** (1 / exponent)
        if abs(n - round(n)) < 1e-6 and round(n) in (5, 6, 7, 11, 13, 45, 55, 63, 66):
            return role, round(n)
    raise AssertionError(inverse_rate)


def test_roles_in_a_row_of_layers():
    assert roles(*MLP, shape=(4,)) == {
        "0.bias": ("input", 6),
        "0.weight": ("input", 6),
        "2.bias": ("input", 7),
        "2.weight": ("hidden", 6),
        "4.bias": "fixed",
        "4.weight": ("output", 7),
    }


def test_one_layer_has_no_widths():
    assert roles(nn.Dense(3, b_std=1.0), nn.Relu(), shape=(4,)) == {"0.bias": "fixed", "0.weight": "fixed"}


def test_roles_in_images_and_normalizations():
    """Fan-ins count the kernel, and after `Flatten` the positions."""
    layers = (nn.Conv(5, 3), nn.Conv(7, 3), nn.LayerNorm(), nn.ChannelAffine(), nn.Flatten(), nn.Dense(2))
    found = roles(*layers, shape=(3, 3, 2))
    assert found["0.weight"] == ("input", 5)
    assert found["1.weight"] == ("hidden", 45)
    assert found["3.gain"] == found["3.offset"] == ("input", 7)
    assert found["5.weight"] == ("output", 63)


def test_roles_in_branches():
    block = nn.Residual(nn.Sequential(nn.Dense(5), nn.Tanh(), nn.Dense(7)), shortcut=nn.Dense(7))
    heads = nn.Parallel(nn.Dense(2), nn.Sequential(nn.Dense(11), nn.Tanh(), nn.Dense(2)))
    found = roles(block, nn.Tanh(), nn.Residual(nn.Dense(7)), heads, shape=(4,))
    assert found["0.body.0.weight"] == ("input", 5)
    assert found["0.body.2.weight"] == ("hidden", 5)
    assert found["0.shortcut.weight"] == ("input", 7)
    assert found["2.body.weight"] == ("hidden", 7)
    assert found["3.0.weight"] == ("output", 7)
    assert found["3.1.0.weight"] == ("hidden", 7)
    assert found["3.1.2.weight"] == ("output", 11)


def test_channels_that_have_to_be_those_of_the_data_are_fixed():
    """`x + W2 phi(W1 x)` on the data itself has as many channels as the data, at any width inside; at the end, as the outputs."""
    block = nn.Residual(nn.Sequential(nn.Dense(7), nn.Tanh(), nn.Dense(5)))
    found = roles(
        block, nn.Dense(11), nn.Tanh(), nn.Dense(2), nn.Residual(nn.Sequential(nn.Dense(13), nn.Dense(2))), shape=(5,)
    )
    assert found["0.body.0.weight"] == ("input", 7)
    assert found["0.body.2.weight"] == ("output", 7)
    assert found["1.weight"] == ("input", 11)
    assert found["3.weight"] == ("output", 11)
    assert found["4.body.0.weight"] == ("input", 13)
    assert found["4.body.1.weight"] == ("output", 13)


def test_concatenated_branches_are_wide_if_one_is():
    both = nn.Parallel(nn.Dense(7), nn.Identity(), merge=nn.Concatenate())
    found = roles(both, nn.Dense(7), nn.Dense(2), shape=(4,))
    assert found["0.0.weight"] == ("input", 7)
    assert found["1.weight"] == ("hidden", 11)


def test_roles_in_sequences():
    found = roles(nn.Rnn(5), nn.Rnn(7), nn.Index(-1), nn.Dense(2), shape=(3, 2))
    assert found["0.input"] == ("input", 5)
    assert found["0.recurrent"] == ("hidden", 5)
    assert found["1.input"] == ("hidden", 5)
    assert found["1.bias"] == ("input", 7)
    alone = roles(nn.Rnn(5), shape=(3, 2))
    assert set(alone.values()) == {"fixed"}


def test_roles_in_attention():
    attention = nn.SelfAttention(7, heads=11, key_width=5, value_width=6)
    layers = (nn.Embedding(9, 5), nn.PositionalEmbedding(), attention, nn.GlobalAvgPool(), nn.Dense(2))
    found = roles(*layers, shape=(3,))
    assert found["0.weight"] == ("input", 5)
    assert found["1.embedding"] == ("input", 5)
    assert found["2.query"] == found["2.key"] == found["2.value"] == ("hidden", 5)
    assert found["2.out"] == ("hidden", 66)
    assert found["2.bias"] == ("input", 7)
    first = roles(attention, nn.GlobalAvgPool(), shape=(3, 4))
    assert first["0.query"] == ("input", 55)
    assert first["0.out"] == ("output", 66)


def test_roles_of_repeated_blocks_are_those_of_blocks_written_out():
    """The first block reads the data, which has the blocks' width, and the last makes the outputs."""
    block = nn.Sequential(nn.Dense(7, b_std=0.1), nn.Tanh())
    found = roles(nn.Repeat(block, 4), shape=(7,))
    assert found["0.tail.0.weight"] == [("input", 7), ("hidden", 7), ("hidden", 7), ("output", 7)]
    assert found["0.tail.0.bias"] == [("input", 7)] * 3 + ["fixed"]
    assert roles(nn.Dense(7), nn.Repeat(block, 4), nn.Dense(1), shape=(3,))["1.tail.0.weight"] == ("hidden", 7)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mup", pytest.param("mean_field", marks=pytest.mark.slow)])
def test_repeated_blocks_are_the_blocks_written_out(name, x64):
    block = nn.Sequential(nn.Dense(7, b_std=0.1), nn.Tanh())
    x = np.random.default_rng(0).standard_normal((3, 7))
    repeated = nn.Sequential(nn.Repeat(block, 4), parameterization=name)
    params = repeated.init(KEY, (7,))
    rows = tuple(jax.tree.map(lambda leaf, i=i: leaf[i], params[0]["tail"]) for i in range(4))
    written = nn.Sequential(*(block,) * 4, parameterization=name)
    np.testing.assert_allclose(repeated.apply(params, x), written.apply(rows, x), rtol=1e-12)


def test_roles_within_masks_and_graphs():
    masked = roles(nn.Masked(nn.Linear(5), nn.Linear(7), nn.GlobalAvgPool()), nn.Dense(2), shape=(3, 2))
    assert list(masked.values()) == [("input", 5), ("input", 5), ("input", 7), ("hidden", 5), "fixed", ("output", 7)]
    graph = nn.GraphNetwork(nn.Aggregate(), nn.Linear(5), nn.Linear(2), nn.GlobalAvgPool())
    assert list(roles(graph, shape=(3, 5)).values()) == [("input", 5), ("input", 5), "fixed", ("output", 5)]


def test_mup_written_out(x64):
    """Yang & Hu 2021, table 1: multipliers n^(1/2), 1, n^(-1/2), all draws of deviation n^(-1/2)."""
    net = nn.Sequential(*MLP, parameterization="mup")
    params = net.init(KEY, (4,))
    draws = nn.Sequential(*MLP).init(KEY, (4,))
    for layer, n, bias_n in ((0, 6, 6), (2, 6, 7), (4, 7, 1)):
        np.testing.assert_allclose(params[layer]["weight"], draws[layer]["weight"] / n**0.5, rtol=1e-15)
        np.testing.assert_allclose(params[layer]["bias"], draws[layer]["bias"] / bias_n**0.5, rtol=1e-15)
    x = np.random.default_rng(0).standard_normal((3, 4))
    first, second, last = (params[i] for i in (0, 2, 4))
    h = 6**0.5 * (1.5 * x @ first["weight"] / 4**0.5 + 0.2 * first["bias"])
    h = 0.5 * np.tanh(h) @ second["weight"] + 7**0.5 * 0.3 * second["bias"]
    y = np.tanh(h) @ last["weight"] / 7**0.5 + 0.1 * last["bias"]
    np.testing.assert_allclose(net.apply(params, x), y, rtol=1e-12)


def test_gains_and_offsets_of_mup_start_as_the_identity():
    net = nn.Sequential(nn.Dense(16), nn.ChannelAffine(), nn.Dense(1), parameterization="mup")
    params = net.init(KEY, (3,))
    np.testing.assert_allclose(params[1]["gain"], 1 / 4)
    x = jnp.ones((2, 3))
    without = nn.Sequential(net.layers[0], net.layers[2], parameterization="mup")
    np.testing.assert_allclose(net.apply(params, x), without.apply((params[0], params[2]), x), rtol=1e-6)


@pytest.mark.parametrize("name", ["ntk", "standard", "mup", "mean_field"])
def test_optimizers_differ_in_learning_rates_only(name):
    sgd, adam = (nn.ABC.named(name, optimizer) for optimizer in ("sgd", "adam"))
    for role in ("input", "hidden", "output", "fixed"):
        assert getattr(sgd, role)[:2] == getattr(adam, role)[:2]


def test_mup_of_adam_in_the_form_of_the_table():
    """Yang et al. 2022, table 8: with multipliers 1, 1, 1/n the rates of Adam are 1, 1/n, 1. Shifts of role by role are free."""
    adam = nn.ABC.named("mup", "adam")
    table = ((0, 0, 0), (0, 0.5, 1), (1, 0, 0))
    for (a, b, c), (a8, b8, c8) in zip((adam.input, adam.hidden, adam.output), table, strict=True):
        assert a + b == a8 + b8
        assert a + c == a8 + c8


GOLDEN_NETWORKS = {
    "mlp": ((4,), (nn.Dense(7, 1.3, 0.2), nn.Relu(), nn.Dense(5, 1.1, 0.3), nn.Relu(), nn.Dense(2))),
    "conv": (
        (4, 4, 3),
        (
            nn.Conv(5, (3, 3), b_std=0.1),
            nn.Relu(),
            nn.Residual(nn.Sequential(nn.Conv(5, (3, 3)), nn.Relu()), nn.Conv(5, 1)),
            nn.ConvTranspose(3, (2, 2), 2),
            nn.LocallyConnected(3, (2, 2)),
            nn.Linear(4),
            nn.ChannelAffine(),
            nn.LayerNorm(),
            nn.Flatten(),
            nn.Dense(3, b_std=0.5),
        ),
    ),
}


@pytest.mark.parametrize("case", ["mlp", pytest.param("conv", marks=pytest.mark.slow)])
def test_values_of_the_version_before_parameterizations_were_values(case):
    """First entries of parameters, then outputs, from `jax.random.key(3)`, in float64.

    They were written down with that version; the rounding of transcendental functions is left to the machine.
    """
    shape, layers = GOLDEN_NETWORKS[case]
    for name in ("ntk", "standard"):
        net = nn.Sequential(*layers, parameterization=name)
        params = net.init(KEY, shape, dtype=np.float64)
        x = abs(np.random.default_rng(0).standard_normal((3, *shape)))
        found = [np.ravel(leaf)[0] for leaf in jax.tree.leaves(params)]
        np.testing.assert_allclose([*found, *np.ravel(net.apply(params, x))], GOLDEN[case, name], rtol=1e-9)


def test_standard_and_ntk_are_exact_products_of_the_draws():
    """To the last bit: `w_std / sqrt(fan_in)` is one division, and the draws are multiplied by it once."""
    ntk, standard = (nn.Sequential(*MLP, parameterization=name).init(KEY, (4,)) for name in ("ntk", "standard"))
    for i, fan_in in ((0, 4), (2, 6), (4, 7)):
        layer_key = jax.random.split(jax.random.split(KEY, 5)[i])
        weight = jax.random.normal(layer_key[0], ntk[i]["weight"].shape)
        np.testing.assert_array_equal(ntk[i]["weight"], weight)
        np.testing.assert_array_equal(standard[i]["weight"], MLP[i].w_std / math.sqrt(fan_in) * weight)
        bias = jax.random.normal(layer_key[1], ntk[i]["bias"].shape)
        np.testing.assert_array_equal(standard[i]["bias"], MLP[i].b_std * bias)


def test_an_abc_like_ntk_is_ntk():
    named, spelled = (
        nn.Sequential(*MLP, parameterization=value).init(KEY, (4,))
        for value in ("ntk", nn.ABC((0, 0), (0.5, 0), (0.5, 0)))
    )
    assert jax.tree.all(jax.tree.map(np.array_equal, named, spelled))


def test_scales_can_be_traced_in_every_parameterization():
    @functools.partial(jax.jit, static_argnums=1)
    def loss(w_std, name):
        net = nn.Sequential(nn.Dense(5, w_std=w_std), nn.Tanh(), nn.Dense(1, w_std=w_std), parameterization=name)
        return net.apply(net.init(KEY, (3,)), jnp.ones((1, 3))).sum()

    gradient = jax.jit(jax.grad(loss), static_argnums=1)(1.0, "mup")
    step = 1e-2
    np.testing.assert_allclose(gradient, (loss(1 + step, "mup") - loss(1 - step, "mup")) / (2 * step), rtol=1e-2)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (
            lambda: nn.ABC(0.5, (0, 0), (0, 0)),
            TypeError,
            r"input must be the exponents \(a, b\) or \(a, b, c\); received 0\.5",
        ),
        (lambda: nn.ABC((0, 0), (0,), (0, 0)), TypeError, r"hidden must be the exponents"),
        (lambda: nn.ABC((0, 0), (0, 0), (0, "b")), TypeError, r"output's b must be a real number; received 'b'"),
        (lambda: nn.ABC((0, 0), (0, 0), (0, np.nan)), ValueError, r"output's b must be finite"),
        (lambda: nn.ABC.named("mu"), ValueError, r"one of 'ntk', 'standard', 'mup', 'mean_field'; received 'mu'"),
        (lambda: nn.ABC.named("mup", "lion"), ValueError, r"optimizer must be one of 'sgd', 'adam'; received 'lion'"),
        (lambda: nn.Sequential(parameterization=(0, 0)), ValueError, r"or an nn\.ABC\(\.\.\.\); received \(0, 0\)"),
    ],
)
def test_refuses(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_only_the_outermost_may_set_it():
    with pytest.raises(ValueError, match="set it on the outermost Sequential only"):
        nn.Residual(nn.Sequential(nn.Dense(3), parameterization=RATE_SAYS_ROLE))


GOLDEN = {
    ("mlp", "ntk"): [
        -1.1266796385960696,
        0.13987149328024864,
        0.801674867339392,
        -1.0901721685234413,
        0.7772508933771389,
        0.10986778388034457,
        -0.9691323631733827,
        0.06237191754665841,
        -2.2838605162499483,
        -0.24372085933429072,
        -1.3399492217185782,
        0.3331129001302192,
    ],
    ("mlp", "standard"): [
        -0.22533592771921393,
        0.09091647063216163,
        0.2405024602018176,
        -0.45325098408181785,
        0.0,
        0.04913436665874121,
        -0.9691323631733828,
        0.062371917546658384,
        -2.2838605162499483,
        -0.2437208593342907,
        -1.3399492217185784,
        0.33311290013021916,
    ],
    ("conv", "ntk"): [
        -1.1266796385960696,
        0.13987149328024864,
        -0.8536187665145054,
        1.1125437870474992,
        -0.6123796261370144,
        -1.3261404867064501,
        -1.0121266122226167,
        -1.1011362297357978,
        0.7772508933771389,
        0.10986778388034457,
        -1.0751170563897576,
        -0.15225202637045832,
        1.0,
        0.0,
        -1.2298087074645274,
        -1.1797265098717131,
        0.08244952547976803,
        0.46516671902874474,
        -2.097375655756094,
        0.8468404029253979,
        -0.6463585001480004,
        -1.8447001934303362,
        0.7249590483374589,
        -0.5373480997419057,
        -1.0654238390483362,
    ],
    ("conv", "standard"): [
        -0.11266796385960696,
        0.026918281432435496,
        -0.0,
        0.1658482357188839,
        -0.0,
        -0.5930680551980557,
        -0.0,
        -0.24622154621770692,
        0.0,
        0.031716097299292284,
        -0.0,
        -0.08790274840965012,
        1.0,
        0.0,
        -0.6149043537322637,
        -0.07373290686698207,
        0.08244952547976814,
        0.4651667190287452,
        -2.0973756557560947,
        0.8468404029253976,
        -0.6463585001480001,
        -1.8447001934303366,
        0.7249590483374598,
        -0.5373480997419048,
        -1.0654238390483353,
    ],
}
