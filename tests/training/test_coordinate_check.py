"""The coordinate check: fitted exponents of the width against theory, for every layer with parameters.

Eight handwritten digits with targets of size 3, so that the outputs at initialization matter little; random keys are fixed,
and were before the first comparison. Slopes are held to 0.1 of theory: 2 to 3 standard errors of the noisiest, which is the
change of a kernel network's outputs from random ones. The fixed fan-in has the exponents that make it as slow as a hidden
layer of 64, so that the leading order is seen at these widths.
"""

import jax
import numpy as np
import pytest

from nnlimits import datasets, nn
from nnlimits.training import classify, coordinate_check, preactivations, width_exponents

KEY = jax.random.key(0)
RATES = {"sgd": 0.1, "adam": 0.01}
SLOW = pytest.mark.slow


def standard(optimizer, c):
    """The standard parameterization at learning rates n^-c, with those of the fixed fan-in as in the others."""
    return nn.ABC((0, 0, c), (0, 0.5, c), (0, 0.5, c), fixed=(0.5, 0, 0.5 if optimizer == "adam" else 0))


def digits(shape):
    train, _ = datasets.digits(10)
    x = train.x.reshape(10, -1)[:8].astype(np.float32)
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    return x.reshape(8, *shape), 3 * np.eye(10, dtype=np.float32)[np.asarray(train.labels[:8], int)]


def mlp(parameterization):
    return nn.Sequential(*(nn.Dense(8), nn.Relu()) * 2, nn.Dense(10), parameterization=parameterization)


def report(name, optimizer, result):
    laws = zip(result.layers, *result.initial_law(), *result.change_law(), strict=True)
    for layer, *numbers in laws:
        print("{} {} {}: initial {:+.3f} ± {:.3f}, change {:+.3f} ± {:.3f}".format(name, optimizer, layer, *numbers))


WIDTHS = (64, 256, 1024)
CASES = [
    ("mup", "mup", "sgd", None, (64, 512)),
    *(
        pytest.param(*case, WIDTHS, marks=SLOW)
        for case in (
            ("mup", "mup", "sgd", None),
            ("mup", "mup", "adam", None),
            ("ntk", "ntk", "sgd", None),
            ("ntk", "ntk", "adam", None),
            ("standard / n", standard("sgd", 1), "sgd", None),
            ("standard", standard("sgd", 0), "sgd", 1),
        )
    ),
]


@pytest.mark.parametrize(("name", "parameterization", "optimizer", "steps", "widths"), CASES)
def test_fully_connected_networks(name, parameterization, optimizer, steps, widths):
    x, y = digits((64,))
    result = coordinate_check(
        mlp(parameterization), x, y, widths, key=KEY, optimizer=optimizer,
        learning_rate=RATES[optimizer], steps=steps or 2, seeds=16,
    )  # fmt: skip
    report(name, optimizer, result)
    expected = width_exponents(parameterization, 2, optimizer, steps=steps)
    np.testing.assert_allclose(result.initial_law().exponent, expected.initial, atol=0.1)
    np.testing.assert_allclose(result.change_law().exponent, expected.change, atol=0.1)
    if optimizer == "sgd":  # what is measured is what the classification says
        features = max(result.change_law().exponent[:-1])
        outputs = result.change_law().exponent[-1]
        regime = classify(parameterization, 2).regime
        assert (outputs > 0.1) == (regime == "unstable")
        assert (outputs < -0.1) == (regime == "trivial")
        assert regime != "kernel" or features < -0.1
        assert regime != "feature learning" or abs(features) < 0.1


@SLOW
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_mean_field_of_one_hidden_layer_learns_features(optimizer):
    net = nn.Sequential(nn.Dense(8), nn.Relu(), nn.Dense(10), parameterization="mean_field")
    x, y = digits((64,))
    result = coordinate_check(
        net, x, y, WIDTHS, key=KEY, optimizer=optimizer, learning_rate=RATES[optimizer], steps=2, seeds=16
    )
    report("mean field", optimizer, result)
    np.testing.assert_allclose(result.initial_law().exponent, (0, -0.5), atol=0.1)
    np.testing.assert_allclose(result.change_law().exponent, (0, 0), atol=0.1)


HIDDEN_RATE_N = nn.ABC((0, 0, -1), (1, 0, -1), (1, 0, -1))
"""The mean-field one but for a learning rate of n between hidden layers."""


@SLOW
@pytest.mark.parametrize(
    ("parameterization", "optimizer", "rate", "steps"),
    [("mean_field", "sgd", 5.0, 8), (HIDDEN_RATE_N, "sgd", 5.0, 8), ("mean_field", "adam", 0.1, 4)],
)
def test_mean_field_of_two_hidden_layers(parameterization, optimizer, rate, steps):
    """With the rate n^2 between them all layers move at order one, with n the second one's change vanishes as 1/n.

    Rates are larger than elsewhere: what moves the first layer at order one is what the steps before have added to the second's
    weights, next to draws that add n^(-1/2).
    """
    x, y = digits((64,))
    result = coordinate_check(
        mlp(parameterization), x, y, WIDTHS, key=KEY, optimizer=optimizer, learning_rate=rate, steps=steps, seeds=8
    )
    report(parameterization, optimizer, result)
    expected = (-0.5, -1, -1) if parameterization == HIDDEN_RATE_N else (0, 0, 0)
    assert width_exponents(parameterization, 2, optimizer).change == expected
    np.testing.assert_allclose(result.initial_law().exponent, (0, -0.5, -1), atol=0.1)
    np.testing.assert_allclose(result.change_law().exponent, expected, atol=0.1)


def normalized(_):
    body = nn.Sequential(nn.LayerNorm(), nn.ChannelAffine(), nn.Dense(8), nn.Relu(), nn.Dense(8))
    return nn.Dense(8), nn.Residual(body), nn.LayerNorm(), nn.ChannelAffine(), nn.Relu(), nn.Dense(10)


def convolutional(_):
    first = nn.Conv(8, 3, b_std=0.1, stride=2), nn.Relu(), nn.Conv(8, 3, b_std=0.1)
    return *first, nn.ChannelAffine(), nn.Relu(), nn.GlobalAvgPool(), nn.Dense(10)


def attentive(width):
    attention = nn.SelfAttention(width, heads=width // 16, key_width=16, value_width=16)
    start = nn.Linear(width), nn.PositionalEmbedding(0.3), nn.Residual(attention), nn.LayerNorm()
    return *start, nn.Linear(width), nn.Relu(), nn.GlobalAvgPool(), nn.Dense(10)


def recurrent(_):
    return nn.Rnn(8), nn.Index(-1), nn.Dense(10)


def embedded(_):
    return (
        nn.Embedding(17, 8),
        nn.Conv(8, 3),
        nn.Tanh(),
        nn.LocallyConnected(8, 3, padding="valid"),
        nn.Flatten(),
        nn.Dense(10),
    )


LAYERS = [
    (normalized, (64,), (256, 1024)),
    (convolutional, (8, 8, 1), (32, 128, 512)),
    (attentive, (8, 8), (128, 512)),
    (recurrent, (8, 8), (128, 512)),
    (embedded, (64,), (64, 256)),
]


@SLOW
@pytest.mark.parametrize("name", ["mup", "ntk"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize(("build", "shape", "widths"), LAYERS)
def test_layers(build, shape, widths, optimizer, name):
    """Under muP everything moves at order one; under "ntk" the outputs do, and what is before them as n^(-1/2).

    Where corrections of order 1/n are large, the narrowest width is larger: the normalized network's outputs move 20 % more
    at width 64 than at infinite width, and within the noise of 5 % as much from width 256 on. After attention, all positions are
    alike, and averages over them leave the outputs of one network alike too: more networks make up for it.
    """
    x, y = digits(shape)
    if build is embedded:
        x, y = np.round(8 + 3 * np.clip(x[:, ::8], -2, 2)), y
    result = coordinate_check(
        lambda width: nn.with_width(nn.Sequential(*build(width), parameterization=name), width),
        x, y, widths, key=KEY, optimizer=optimizer, learning_rate=RATES[optimizer], steps=2,
        seeds=24 if optimizer == "sgd" or build is attentive else 6,
    )  # fmt: skip
    report(f"{build.__name__} {name}", optimizer, result)
    before = len(result.layers) - 1
    np.testing.assert_allclose(result.initial_law().exponent, [0] * before + [-0.5 if name == "mup" else 0], atol=0.1)
    np.testing.assert_allclose(result.change_law().exponent, [0 if name == "mup" else -0.5] * before + [0], atol=0.1)


@pytest.mark.slow
def test_gains_in_every_run():
    """A narrow version of the above, from width 32 to 256."""
    x, y = digits((64,))
    layers = nn.Dense(8), nn.LayerNorm(), nn.ChannelAffine(), nn.Relu(), nn.Dense(10)
    net = nn.Sequential(*layers, parameterization="mup")
    result = coordinate_check(net, x, y, (32, 256), key=KEY, optimizer="adam", learning_rate=0.01, steps=2, seeds=16)
    report("gains mup", "adam", result)
    np.testing.assert_allclose(result.initial_law().exponent, [0, 0, -0.5], atol=0.1)
    np.testing.assert_allclose(result.change_law().exponent, 0, atol=0.1)


def test_sizes_written_out(x64):
    """Two steps of gradient descent on a linear network, in NumPy; the output is linear in each weight."""
    draw = np.random.default_rng(0).standard_normal
    x, y = draw((5, 3)), draw((5, 2))
    net = nn.Sequential(nn.Dense(4, b_std=None), nn.Dense(2, b_std=None), parameterization="standard")
    result = coordinate_check(net, x, y, (4, 6), key=KEY, learning_rate=0.3, steps=2, seeds=1)
    assert result.layers == ("Dense 0", "Dense 1")
    assert (result.initial.shape, result.change.shape) == ((2, 1, 2), (2, 1, 2, 2))
    for i, width in enumerate((4, 6)):
        for j, key in enumerate(jax.random.split(KEY, 1)):
            drawn = nn.with_width(net, width).init(key, (3,))
            v, w = (np.asarray(layer["weight"]) for layer in drawn)
            hidden, output = x @ v, x @ v @ w
            np.testing.assert_allclose(result.initial[i, j], [_size(hidden), _size(output)], rtol=1e-9)
            for step in range(2):
                residual = (x @ v @ w - y) / y.size
                v, w = v - 0.3 * x.T @ residual @ w.T, w - 0.3 * v.T @ x.T @ residual
                np.testing.assert_allclose(
                    result.change[i, j, step], [_size(x @ v - hidden), _size(x @ v @ w - output)], rtol=1e-9
                )


def _size(array):
    return np.sqrt((array**2).mean())


def test_preactivations_are_those_of_the_network():
    """The last one is the output; positions are those of the expression, blocks of `Repeat` counted as if written out."""
    block = nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(6)), shortcut=nn.Dense(6))
    both = nn.Parallel(nn.Dense(3), nn.Identity(), merge=nn.Concatenate())
    net = nn.Sequential(nn.Dense(6), nn.Repeat(block, 2), both, nn.Dense(2), parameterization="mup")
    params = net.init(KEY, (4,))
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    found = preactivations(net, params, x)
    names = [
        "Dense 0",
        "Dense 1.0.body.1",
        "Dense 1.0.shortcut",
        "Dense 1.1.body.1",
        "Dense 1.1.shortcut",
        "Dense 2.0",
        "Dense 3",
    ]
    assert list(found) == names
    np.testing.assert_allclose(found["Dense 3"], net.apply(params, x), rtol=1e-5)
    np.testing.assert_allclose(found["Dense 0"], 6**0.5 * x @ params[0]["weight"] / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"widths": (64,)}, "two or more, in ascending order"),
        ({"widths": (64, 32)}, "ascending"),
        ({"y": np.ones((3, 2), np.float32)}, "as many examples; received 4 and 3"),
        ({"x": np.full((4, 3), np.nan, np.float32)}, "x contains nan"),
        ({"learning_rate": -1.0}, "learning_rate must be finite and positive"),
        ({"learning_rate": 1e30}, "is the learning rate too large"),
        ({"steps": 0}, "steps must be an integer, at least 1"),
        ({"optimizer": "lion"}, "optimizer must be one of"),
        ({"network": nn.Sequential(nn.Relu())}, "no layer with parameters"),
    ],
)
def test_refuses(changed, message):
    arguments = {
        "network": nn.Sequential(nn.Dense(2)),
        "x": np.ones((4, 3), np.float32),
        "y": np.ones((4, 2), np.float32),
        "widths": (2, 4),
        "key": KEY,
        "learning_rate": 0.1,
    }
    with pytest.raises(ValueError, match=message):
        coordinate_check(**{**arguments, **changed})
