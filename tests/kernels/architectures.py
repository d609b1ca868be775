"""Networks of layers with positions, composed at random, and inputs for them."""

import dataclasses
from typing import Any

import equinox as eqx
import numpy as np
from hypothesis import strategies as st

from nnlimits import nn

WIDTH = 4
MOST_POSITIONS = 64


@dataclasses.dataclass(frozen=True)
class Place:
    """What is known of the units between two layers."""

    shape: tuple[int, ...]
    gaussian: bool = False
    masked: bool = False
    graph: bool = False

    @property
    def sizes(self):
        return self.shape[:-1]


scales = st.sampled_from([0.7, 1.0, 1.3])
biases = st.sampled_from([0.0, 0.4])
activations = st.sampled_from([nn.Relu(), nn.Erf(), nn.Cos()])
paddings = st.sampled_from(["same", "valid", "circular"])


@st.composite
def kernels_of(draw, sizes, largest=3):
    """One size for all axes, or one for each."""
    if draw(st.booleans()):
        return draw(st.integers(1, largest))
    return tuple(draw(st.integers(1, largest)) for _ in sizes)


@st.composite
def affine(draw, place):
    """A layer with fresh weights and Gaussian units."""
    sizes = place.sizes
    scale = {"w_std": draw(scales), "b_std": draw(biases)}
    kind = draw(st.sampled_from(["conv", "conv", "conv", "linear", "local", "transpose", "attention"]))
    if kind == "conv":
        return nn.Conv(
            WIDTH,
            draw(kernels_of(sizes)),
            draw(kernels_of(sizes, 2)),
            draw(paddings),
            draw(st.sampled_from([1, 1, 2])),
            **scale,
        )
    if kind == "local":
        return nn.LocallyConnected(WIDTH, draw(kernels_of(sizes)), draw(st.integers(1, 2)), draw(paddings), **scale)
    if kind == "transpose":
        return nn.ConvTranspose(WIDTH, draw(kernels_of(sizes)), draw(kernels_of(sizes, 2)), draw(paddings), **scale)
    if kind == "attention":
        linear = draw(st.booleans())
        return nn.SelfAttention(
            WIDTH,
            WIDTH,
            WIDTH,
            WIDTH,
            attention=draw(st.sampled_from(["softmax", "identity"])) if linear else "identity",
            scaling="linear" if linear else "sqrt",
            w_query_std=draw(scales),
            w_key_std=draw(scales),
            w_value_std=draw(scales),
            w_out_std=draw(scales),
            b_std=draw(biases),
        )
    axes = tuple(axis for axis in range(len(sizes)) if draw(st.integers(0, 3)) == 0)
    return nn.Linear(WIDTH, axes=(*axes, -1) if len(axes) < len(sizes) else (-1,), **scale)


@st.composite
def neutral(draw, place):
    """A layer without weights."""
    sizes = place.sizes
    kind = draw(st.sampled_from(["avg", "avg", "sum", "resize", "index", "positional", "dropout"]))
    if kind in ("avg", "sum"):
        pool = nn.AvgPool if kind == "avg" else nn.SumPool
        return pool(draw(kernels_of(sizes)), draw(st.none() | kernels_of(sizes, 2)), draw(paddings))
    if kind == "resize":
        shape = tuple(draw(st.integers(2, 6)) for _ in sizes)
        return nn.ImageResize(shape, draw(st.sampled_from(["linear", "nearest"])))
    if kind == "index":
        slices = [slice(draw(st.integers(0, 1)), None, draw(st.integers(1, 2))) for _ in sizes]
        if len(sizes) > 1 and draw(st.booleans()):
            slices[draw(st.integers(0, len(sizes) - 1))] = draw(st.integers(-2, 1))
        return nn.Index(tuple(slices))
    if kind == "dropout":
        return nn.Dropout(draw(st.sampled_from([0.2, 0.5])))
    return nn.PositionalEmbedding(draw(scales), draw(st.sampled_from([0.0, 1.5])))


def follow(layer, place):
    """The place after a layer, or `None` where the layer does not fit."""
    try:
        shape = place.shape if isinstance(layer, nn.Aggregate) else layer.output_shape(place.shape)
    except nn.ShapeError:
        return None
    changed = shape[:-1] != place.sizes or isinstance(layer, nn.Index)
    if place.graph and changed and len(shape) > 1:
        return None
    if (place.masked and changed and len(shape) > 1) or np.prod(shape[:-1], dtype=int) > MOST_POSITIONS:
        return None
    gaussian = place.gaussian
    if isinstance(layer, nn.Activation | nn.Dropout | nn.Rnn):
        gaussian = False
    elif hasattr(layer, "w_out_std") or (hasattr(layer, "w_std") and not isinstance(layer, nn.Rnn)):
        gaussian = True
    return dataclasses.replace(place, shape=shape, gaussian=gaussian)


@st.composite
def row(draw, place, depth, least=1, most=4):
    """Some layers one after another: the layers, and the place after them."""
    layers = []
    for _ in range(draw(st.integers(least, most))):
        layer, after = draw(step(place, depth))
        layers.append(layer)
        place = after
    return layers, place


@st.composite
def step(draw, place, depth):
    """A layer that can stand here, and the place after it."""
    kinds = ["neutral"]
    kinds += ["activation"] * 3 + ["norm"] if place.gaussian else ["affine"] * 3
    kinds += ["aggregate"] * 3 if place.graph else []
    kinds += ["rnn"] if len(place.sizes) == 1 and not place.gaussian else []
    kinds += ["residual", "strided", "parallel", "repeat"] if depth else []
    kind = draw(st.sampled_from(kinds))
    if kind in ("residual", "strided", "parallel", "repeat"):
        found = draw(
            {"residual": residual, "strided": strided, "parallel": parallel, "repeat": repeat}[kind](place, depth)
        )
        if found is not None:
            return found
        kind = "fallback"
    layer: Any = None
    if kind == "neutral":
        layer = draw(neutral(place))
    elif kind == "affine":
        layer = draw(affine(place))
    elif kind == "activation":
        layer = draw(activations)
    elif kind == "norm":
        axes = tuple(axis for axis in range(len(place.sizes)) if draw(st.booleans()))
        layer = nn.LayerNorm(0.01, axes=(*axes, -1))
    elif kind == "aggregate":
        layer = nn.Aggregate(draw(st.sampled_from(["none", "mean", "symmetric"])), draw(st.booleans()))
    elif kind == "rnn":
        activation = draw(st.one_of(activations, st.just(nn.Identity())))
        layer = nn.Rnn(WIDTH, activation, draw(scales), draw(scales), draw(biases))
    after = None if layer is None else follow(layer, place)
    if after is None:
        layer = draw(activations) if place.gaussian else nn.Linear(WIDTH, w_std=1.1, b_std=0.2)
        after = follow(layer, place)
    return layer, after


@st.composite
def branch(draw, place, depth):
    """Layers that end in fresh weights and keep the positions; or that begin with some others."""
    layers, end = draw(row(place, depth - 1, 0, 2))
    kernel = draw(st.sampled_from([1, 3]))
    padding = draw(st.sampled_from(["same", "same", "circular"]))
    last = nn.Conv(WIDTH, kernel, padding=padding, w_std=draw(scales), b_std=draw(biases))
    if follow(last, end) is None:
        last = nn.Linear(WIDTH)
    return nn.Sequential(*layers, last), follow(last, end)


@st.composite
def residual(draw, place, depth):
    body, end = draw(branch(place, depth))
    if end.sizes != place.sizes:
        return None
    if place.shape == end.shape and draw(st.booleans()):
        return nn.Residual(body), dataclasses.replace(end, gaussian=place.gaussian)
    return nn.Residual(body, nn.Linear(WIDTH, w_std=draw(scales))), end


@st.composite
def strided(draw, place, depth):
    """Both branches halve the positions."""
    body, end = draw(branch(place, depth))
    if end.sizes != place.sizes or place.masked or place.graph or min(place.sizes) < 2:
        return None
    start = [draw(activations)] if place.gaussian and draw(st.booleans()) else []
    short = draw(st.sampled_from([nn.AvgPool(2, 2, "same"), nn.SumPool(3, 2, "same")]))
    net = nn.Residual(
        nn.Sequential(body, nn.Conv(WIDTH, draw(st.sampled_from([2, 3])), 2)),
        nn.Sequential(*start, short, nn.Linear(WIDTH, b_std=0.2)),
    )
    return net, dataclasses.replace(end, shape=net.output_shape(place.shape))


@st.composite
def parallel(draw, place, depth):
    merge = draw(st.sampled_from([nn.Sum(), nn.Concatenate(), nn.Product()]))
    ends = [draw(branch(place, depth)) for _ in range(2)]
    if ends[0][1].shape != ends[1][1].shape:
        return None
    if isinstance(merge, nn.Sum):
        return nn.Parallel(*(e[0] for e in ends), merge=merge), ends[0][1]
    branches = [nn.Sequential(e[0], draw(activations)) for e in ends]
    net = nn.Parallel(*branches, merge=merge)
    shape = (*ends[0][1].sizes, 2 * WIDTH if isinstance(merge, nn.Concatenate) else WIDTH)
    return net, dataclasses.replace(ends[0][1], shape=shape, gaussian=False)


@st.composite
def repeat(draw, place, depth):
    last, after = draw(branch(place, 0)) if depth < 1 else draw(branch(place, 1))
    if after.sizes != place.sizes:
        return None
    if place.gaussian:
        block = nn.Sequential(last, nn.DepthScale(draw(st.sampled_from([0.5, 1.0])))) if draw(st.booleans()) else last
        return nn.Repeat(block, draw(st.integers(1, 3))), after
    return nn.Repeat(nn.Sequential(last, draw(activations)), draw(st.integers(1, 3))), dataclasses.replace(
        after, gaussian=False
    )


@st.composite
def readout(draw, place):
    """Layers that leave no positions, but for weights."""
    kinds = ["flatten", "average", "sum", "linear", "index", "flat activation"]
    kind = draw(st.sampled_from(kinds))
    layers: list[Any] = {
        "flatten": [nn.Flatten()],
        "flat activation": [nn.Flatten()],
        "average": [nn.GlobalAvgPool()],
        "sum": [nn.GlobalSumPool()],
        "linear": [nn.Linear(WIDTH, axes=tuple(range(len(place.shape))), w_std=1.2, b_std=0.3)],
        "index": [nn.Index((-1,) * len(place.sizes))],
    }[kind]
    if kind == "linear" or (place.gaussian and kind != "flatten"):
        layers = [*layers, draw(activations)]
    return layers


@st.composite
def examples(draw, kind, masked):
    """Four examples of inputs: images, sequences, tokens, or graphs."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    axes = 2 if kind in ("image", "token image") else 1
    sizes = tuple(draw(st.integers(3, 6 if axes == 2 else 7)) for _ in range(axes))
    if kind == "graph":
        nodes = sizes[0]
        a = np.triu(rng.random((4, nodes, nodes)) < 0.5, 1) * rng.choice([1.0, 0.5], (4, nodes, nodes))
        x = np.concatenate([a + a.transpose(0, 2, 1), rng.standard_normal((4, nodes, 3))], -1)
    elif "token" in kind:
        x = rng.integers(1, 4, (4, *sizes)).astype(float)
    else:
        x = rng.standard_normal((4, *sizes, draw(st.integers(2, 3))))
    if draw(st.booleans()) and not masked:
        x[3] = x[0]
    if masked:
        gone = rng.random((4, *sizes)) < 0.4
        gone.reshape(4, -1)[:, 0] = False
        x[gone] = 0.0
        if kind == "graph":
            x[:, :, : sizes[0]] *= ~gone[:, None, :]
    return x


@st.composite
def networks(draw, depth=2):
    """A network and four examples for it."""
    kind = draw(st.sampled_from(["image", "image", "sequence", "token", "token image", "graph"]))
    masked = draw(st.integers(0, 2)) == 0
    x = draw(examples(kind, masked))
    place = Place(x.shape[1:], masked=masked, graph=kind == "graph")
    start = []
    if kind == "graph":
        place = dataclasses.replace(place, shape=(x.shape[1], 3))
    elif "token" in kind:
        start = [nn.Embedding(4, WIDTH, draw(scales))]
        place = dataclasses.replace(place, shape=(*x.shape[1:], WIDTH), gaussian=True)
    layers, place = draw(row(place, depth, 1, 4))
    body = [*start, *layers, *draw(readout(place))]
    if kind == "graph":
        body = [nn.GraphNetwork(*body)]
    if masked:
        body = [nn.Masked(*body)]
    parameterization = draw(st.sampled_from(["ntk", "standard"]))
    return nn.Sequential(*body, nn.Dense(1, 1.1, 0.3), parameterization=parameterization), x


def widened(word, factor):
    """The same network, `factor` times as wide but for the last layer."""
    if isinstance(word, nn.Dense) or not isinstance(word, eqx.Module):
        return word
    changes = {}
    for field in dataclasses.fields(word):
        value = getattr(word, field.name)
        if field.name in ("width", "heads", "key_width", "value_width"):
            changes[field.name] = value * factor
        elif isinstance(value, eqx.Module):
            changes[field.name] = widened(value, factor)
        elif isinstance(value, tuple) and any(isinstance(v, eqx.Module) for v in value):
            changes[field.name] = tuple(widened(v, factor) for v in value)
    return with_fields(word, changes)


def with_fields(word, changes):
    """The word with other fields, some of which have been drawn from arguments of other names."""
    copy = object.__new__(type(word))
    for field in dataclasses.fields(word):
        object.__setattr__(copy, field.name, changes.get(field.name, getattr(word, field.name)))
    return copy
