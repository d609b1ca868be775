"""Networks of every family that has random features, and inputs for them."""

import jax
import numpy as np

from nnlimits import nn
from nnlimits.random_features.draws import drawn
from nnlimits.random_features.interpret import asked, compiled


def mlp(activation, depth=2, w_std=1.3, b_std=0.2, parameterization="ntk"):
    """A fully connected network."""
    hidden = (nn.Dense(16, w_std=w_std, b_std=b_std), activation)
    return nn.Sequential(*hidden * depth, nn.Dense(1, b_std=None), parameterization=parameterization)


def conv(end, **options):
    """Two convolutions, the second after pooling."""
    first = nn.Conv(8, 3, w_std=1.4, b_std=0.1), nn.Relu(), nn.AvgPool(2)
    return nn.Sequential(*first, nn.Conv(8, 3, w_std=1.4, **options), nn.Erf(), end, nn.Dense(1))


RESIDUAL = nn.Residual(nn.Sequential(nn.Relu(), nn.Dense(16, b_std=0.1)))

DENSE = {
    "relu": mlp(nn.Relu()),
    "leaky": mlp(nn.LeakyRelu(0.2)),
    "abs": mlp(nn.Abs(), b_std=0.0),
    "step": mlp(nn.Step()),
    "erf": mlp(nn.Erf()),
    "tanh": mlp(nn.Tanh()),
    "gelu": mlp(nn.Gelu()),
    "cos": mlp(nn.Cos(1.0, 1.5)),
    "own": mlp(nn.Elementwise(lambda x: x * jax.nn.sigmoid(x))),
    "standard": mlp(nn.Relu(), parameterization="standard"),
    "residual": nn.Sequential(nn.Dense(16), RESIDUAL, RESIDUAL, nn.Relu(), nn.Dense(1)),
    "normalized": nn.Sequential(nn.Dense(16, b_std=0.3), nn.LayerNorm(), nn.Gelu(), nn.Dense(16), nn.Scale(0.7)),
    "repeated": nn.Sequential(nn.Repeat(nn.Sequential(nn.Dense(16), nn.DepthScale(0.1), nn.Relu()), 2), nn.Dense(1)),
    "affine": nn.Sequential(nn.Dense(16), nn.Relu(), nn.ChannelAffine(), nn.Dense(16), nn.Relu(), nn.Dense(1)),
    "concatenated": nn.Sequential(
        nn.Parallel(
            nn.Sequential(nn.Dense(16), nn.Relu()), nn.Sequential(nn.Dense(32), nn.Erf()), merge=nn.Concatenate()
        ),
        nn.Dense(1),
    ),
    "product": nn.Sequential(
        nn.Parallel(nn.Dense(16), nn.Sequential(nn.Dense(16), nn.Erf()), merge=nn.Product()), nn.Dense(1)
    ),
}

IMAGES = {
    "sequence": nn.Sequential(nn.Conv(8, 3, b_std=0.2), nn.Relu(), nn.Conv(8, 3), nn.GlobalAvgPool(), nn.Dense(1)),
    "flat": conv(nn.Flatten()),
    "average": conv(nn.GlobalAvgPool(), padding="circular"),
    "strided": conv(nn.GlobalAvgPool(), stride=2),
    "picked": nn.Sequential(nn.Conv(8, (1, 3), padding="valid"), nn.Relu(), nn.Index((1, -1)), nn.Dense(1)),
    "contracted": nn.Sequential(
        nn.Linear(8, b_std=0.2), nn.Relu(), nn.Linear(8, axes=(0, -1)), nn.Relu(), nn.Flatten(), nn.Dense(1)
    ),
    "image residual": nn.Sequential(
        nn.Conv(8, 3), nn.Residual(nn.Sequential(nn.Relu(), nn.Conv(8, 3))), nn.Relu(), nn.GlobalAvgPool(), nn.Dense(1)
    ),
}


def inputs(count, shape, seed=0, dtype=np.float32):
    """Inputs that are correlated, and of different lengths."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, *shape)) + generator.standard_normal(shape)
    return (x * generator.uniform(0.5, 1.5, (count,) + (1,) * len(shape))).astype(dtype)


def shape_of(name):
    """The shape of the inputs of a network named above."""
    if name == "sequence":
        return (5, 2)
    return (6, 6, 2) if name in IMAGES else (10,)


def estimates(embed, x, keys):
    """The kernel matrices that features of one plan give at several keys, (keys, n, n)."""
    draws = asked(embed.plan)[1]
    return np.stack(
        [np.asarray(phi @ phi.T, np.float64) for phi in (compiled(embed.plan, drawn(key, draws), x) for key in keys)]
    )
