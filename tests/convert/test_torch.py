"""PyTorch models: the expressions that they become, and the limit of their NTK."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from nnlimits import convert, nn
from nnlimits.kernels.kernel import how_to_convert

torch = pytest.importorskip("torch")
layers = torch.nn
X = np.random.default_rng(0).standard_normal((3, 40)).astype(np.float32)
IMAGES = np.random.default_rng(1).standard_normal((2, 3, 6, 6)).astype(np.float32)
UNIFORM = math.sqrt(1 / 3)


def seeded(build):
    def make(seed):
        torch.manual_seed(seed)
        return build().eval()

    return make


def b_std(fan_in):
    return UNIFORM / math.sqrt(fan_in)


def linear(width, fan_in):
    return nn.Linear(width, w_std=UNIFORM, b_std=b_std(fan_in))


def conv(width, channels, size=3, **options):
    return nn.Conv(width, (size, size), w_std=UNIFORM, b_std=b_std(channels * size**2), **options)


EXPRESSIONS = [
    (
        lambda: layers.Sequential(
            layers.Linear(40, 7, bias=False), layers.ReLU(), layers.Dropout(), layers.Linear(7, 1)
        ),
        (nn.Linear(7, w_std=UNIFORM, b_std=None), nn.Relu(), linear(1, 7)),
    ),
    (
        lambda: layers.Sequential(layers.Sequential(layers.Linear(40, 7), layers.LayerNorm(7)), layers.GELU("tanh")),
        (linear(7, 40), nn.LayerNorm(1e-5), nn.ChannelAffine(), nn.Gelu(approximate=True)),
    ),
    (
        lambda: layers.Sequential(
            layers.Linear(40, 7), layers.LayerNorm(7, eps=0.1, bias=False), layers.LeakyReLU(0.2)
        ),
        (linear(7, 40), nn.LayerNorm(0.1), nn.ChannelAffine(offset=False), nn.LeakyRelu(0.2)),
    ),
    (
        lambda: layers.Sequential(
            layers.Conv2d(3, 8, 3, padding=1), layers.BatchNorm2d(8), layers.SiLU(), layers.AvgPool2d(2)
        ),
        (conv(8, 3), nn.Scale(1 / math.sqrt(1 + 1e-5)), nn.ChannelAffine(), nn.Silu(), nn.AvgPool((2, 2))),
    ),
    (
        lambda: layers.Sequential(layers.Conv2d(3, 8, 3, stride=2, padding=1), layers.ELU(), layers.Flatten()),
        (conv(8, 3, stride=2, padding=1), nn.Elu(), nn.Flatten()),
    ),
    (
        lambda: layers.Sequential(layers.Conv2d(3, 8, 3, padding="same", dilation=2), layers.AdaptiveAvgPool2d(1)),
        (conv(8, 3, dilation=2), nn.GlobalAvgPool()),
    ),
    (
        lambda: layers.Sequential(
            layers.Conv2d(3, 8, 3, padding=1, padding_mode="circular"), layers.AvgPool2d(3, 1, 1)
        ),
        (conv(8, 3, padding="circular"), nn.AvgPool((3, 3), stride=(1, 1), padding="same")),
    ),
    (
        lambda: layers.Sequential(layers.ConvTranspose2d(8, 2, 4, stride=2, padding=1)),
        (nn.ConvTranspose(2, (4, 4), stride=2, padding="same", w_std=2 * UNIFORM, b_std=b_std(32)),),
    ),
    (
        lambda: layers.Sequential(layers.Embedding(50, 64), layers.Linear(64, 8), layers.Softplus(), layers.Mish()),
        (nn.Embedding(50, 64), linear(8, 64), nn.Softplus(), nn.Mish()),
    ),
]


@pytest.mark.parametrize(("build", "expected"), EXPRESSIONS)
def test_rows_of_modules(build, expected):
    """Seed 0: the initializers are recognised from the weights that they drew."""
    expression = convert.from_torch(seeded(build)(0), scales="initializer")
    assert expression == nn.Sequential(*expected, parameterization="standard")


def test_scales_of_the_weights():
    model = layers.Sequential(layers.Linear(4, 3), layers.Linear(3, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.arange(12.0).reshape(3, 4))
        model[0].bias.copy_(torch.tensor([1.0, -2.0, 3.0]))
        model[1].weight.copy_(torch.ones(1, 3))
    first, last = convert.from_torch(model).layers
    np.testing.assert_allclose(first.w_std**2, 4 * (np.arange(12) ** 2).mean(), rtol=1e-12)
    np.testing.assert_allclose(first.b_std**2, 14 / 3, rtol=1e-12)
    assert last == nn.Linear(1, w_std=math.sqrt(3), b_std=None)
    with pytest.raises(ValueError, match=r"model.0: its weights have the scale 12.99, which is none of the known"):
        convert.from_torch(model, scales="initializer")


def test_transposed_convolution_is_the_same_map():
    """With the weights of the module, channels moved and taps in order."""
    module = seeded(lambda: layers.ConvTranspose2d(3, 2, 4, stride=2, padding=1))(0)
    net = convert.from_torch(layers.Sequential(module))
    weight = module.weight.detach().numpy().transpose(2, 3, 0, 1)
    y = net.apply(({"weight": weight, "bias": module.bias.detach().numpy()},), convert.channels_last(IMAGES))
    expected = convert.channels_last(module(torch.as_tensor(IMAGES)).detach())
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


class Block(layers.Module):
    """A residual block; with a stride, of other channels."""

    def __init__(self, channels, stride):
        super().__init__()
        self.first = layers.Conv2d(channels, channels, 3, stride=stride, padding=1)
        self.second = layers.Conv2d(channels, channels, 3, padding=1)
        self.short = layers.Conv2d(channels, channels, 1, stride=stride) if stride > 1 else layers.Identity()

    def forward(self, x):
        y = self.second(torch.nn.functional.gelu(self.first(torch.relu(x))))
        return 0.5 * y + self.short(x)


class ResNet(layers.Module):
    def __init__(self, width):
        super().__init__()
        self.stem = layers.Conv2d(3, width, 3, padding=1)
        self.blocks = layers.Sequential(Block(width, 1), Block(width, 2))
        self.head = layers.Linear(width, 1)

    def forward(self, x):
        x = torch.relu(self.blocks(self.stem(x)))
        x = torch.nn.functional.adaptive_avg_pool2d(x, 1)
        return self.head(x.view(x.size(0), -1))


def test_residual_network_as_an_expression():
    found = convert.from_torch(ResNet(16).eval(), (3, 6, 6), scales="initializer")

    def body(stride, **padding):
        return nn.Sequential(nn.Relu(), conv(16, 16, stride=stride, **padding), nn.Gelu(), conv(16, 16), nn.Scale(0.5))

    assert found == nn.Sequential(
        conv(16, 3),
        nn.Residual(body(1)),
        nn.Residual(body(2, padding=1), shortcut=conv(16, 16, 1, stride=2, padding="valid")),
        nn.Relu(),
        nn.GlobalAvgPool(),
        linear(1, 16),
        parameterization="standard",
    )


class Dense(layers.Module):
    """Branches that are concatenated, and a function of entries written out."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = layers.Linear(5, 4), layers.Linear(5, 3), layers.Linear(7, 2)

    def forward(self, x):
        y = torch.cat([torch.tanh(self.a(x)), self.b(x)], dim=-1)
        y = self.c(y)
        return y * torch.sigmoid(y) - 1.0


def test_branches_and_functions_of_entries():
    found = convert.from_torch(Dense(), (5,))
    branches, last, function = found.layers
    assert [type(layer) for layer in branches.branches[0].layers] == [nn.Linear, nn.Tanh]
    assert branches.branches[1].width == 3
    assert branches.merge == nn.Concatenate()
    assert last.width == 2
    grid = np.linspace(-3, 3, 7, dtype=np.float32)
    np.testing.assert_allclose(function(jnp.asarray(grid)), grid / (1 + np.exp(-grid)) - 1, rtol=1e-5)


class Attention(layers.Module):
    """Self-attention whose logits are divided by the width of the keys, which start as the queries."""

    def __init__(self, channels, heads):
        super().__init__()
        self.heads, self.width = heads, channels // heads
        self.query, self.key, self.value = (layers.Linear(channels, channels, bias=False) for _ in range(3))
        self.out = layers.Linear(channels, channels)
        self.key.weight.data.copy_(self.query.weight.data)

    def forward(self, x):
        n, t, channels = x.shape
        parts = [
            each(x).reshape(n, t, self.heads, self.width).transpose(1, 2) for each in (self.query, self.key, self.value)
        ]
        attention = torch.softmax(parts[0] @ parts[1].transpose(2, 3) / self.width, -1)
        return self.out((attention @ parts[2]).transpose(1, 2).reshape(n, t, channels))


@convert.torch_rule.register
def _attention(module: Attention, conversion: convert.Conversion) -> nn.Layer:
    inner = {
        f"w_{name}_std": conversion.child(name, getattr(module, name)).w_std
        for name in ("query", "key", "value", "out")
    }
    out = conversion.child("out", module.out)
    return nn.SelfAttention(
        out.width, module.heads, key_width=module.width, value_width=module.width, b_std=out.b_std, **inner
    )


class VisionTransformer(layers.Module):
    def __init__(self, width):
        super().__init__()
        self.patches = layers.Conv2d(3, width, 2, stride=2)
        self.places = layers.Parameter(0.2 * torch.randn(1, 9, width))
        self.norms = layers.ModuleList(layers.LayerNorm(width) for _ in range(3))
        self.attention = Attention(width, 4)
        self.mlp = layers.Sequential(layers.Linear(width, 2 * width), layers.GELU(), layers.Linear(2 * width, width))
        self.head = layers.Linear(width, 1)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.places
        x = x + self.attention(self.norms[0](x))
        x = x + self.mlp(self.norms[1](x))
        return self.head(self.norms[2](x).mean(1))


def test_vision_transformer_with_a_rule_for_its_attention():
    found = convert.from_torch(seeded(lambda: VisionTransformer(32))(0), (3, 6, 6), scales="initializer")
    norm = (nn.LayerNorm(1e-5), nn.ChannelAffine())
    scales = {f"w_{name}_std": UNIFORM for name in ("query", "key", "value", "out")}
    attention = nn.SelfAttention(32, 4, key_width=8, value_width=8, b_std=b_std(32), **scales)
    assert isinstance(found.layers[1], nn.PositionalEmbedding)
    assert abs(found.layers[1].std - 0.2) < 0.04  # 288 draws: 4 standard errors
    assert (found.layers[0], *found.layers[2:]) == (
        conv(32, 3, 2, stride=2, padding="valid"),
        nn.Residual(nn.Sequential(*norm, attention)),
        nn.Residual(nn.Sequential(*norm, linear(64, 32), nn.Gelu(), linear(32, 64))),
        *norm,
        nn.GlobalAvgPool(),
        linear(1, 32),
    )


def test_ntk_of_a_perceptron(agrees):
    """Width 256. The first layer has 40 inputs: its weights are uniform, and their sums nearly Gaussian."""

    def build():
        hidden = (layers.Linear(40, 256), layers.GELU(), layers.Linear(256, 256), layers.LayerNorm(256), layers.Tanh())
        return layers.Sequential(*hidden, layers.Linear(256, 1))

    net = convert.from_torch(seeded(build)(0), scales="initializer")
    agrees(seeded(build), net, X, width=256)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["convolutions", "residual network", "vision transformer"])
def test_ntk(name, agrees):
    """128 channels. Attention has 32 of them a head, and settles as that grows: its tolerance is that of 32."""
    convolutions = (
        layers.Conv2d(3, 128, 3, stride=2, padding=1),
        layers.BatchNorm2d(128),
        layers.SiLU(),
        layers.Conv2d(128, 128, 3, padding=1, padding_mode="circular", bias=False),
        layers.ReLU(),
        layers.AvgPool2d(3, 1),
        layers.Flatten(),
        layers.Linear(128, 1),
    )
    builds = {
        "convolutions": lambda: layers.Sequential(*(_redrawn(layer) for layer in convolutions)),
        "residual network": lambda: ResNet(128),
        "vision transformer": lambda: VisionTransformer(128),
    }
    make = seeded(builds[name])
    net = convert.from_torch(make(0), (3, 6, 6), scales="weights" if "vision" in name else "initializer")
    agrees(make, net, IMAGES, convert.channels_last(IMAGES), width=32 if "vision" in name else 128)


def _redrawn(layer):
    if hasattr(layer, "reset_parameters"):
        layer.reset_parameters()
    return layer


class Branching(layers.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Twice(layers.Module):
    def __init__(self):
        super().__init__()
        self.inner = layers.Linear(3, 3)

    def forward(self, x):
        return self.inner(torch.relu(self.inner(x)))


class Crossed(layers.Module):
    """Two sums that share a branch."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = layers.Linear(3, 3), layers.Linear(3, 3), layers.Linear(3, 3)

    def forward(self, x):
        h = self.a(x)
        return torch.relu(self.b(h)) + self.c(torch.tanh(h + x))


class Products(layers.Module):
    def forward(self, x):
        return torch.softmax(x @ x.transpose(1, 2), -1) @ x


class LinearOfItsOwn(layers.Linear):
    def forward(self, x):
        return torch.tanh(super().forward(x))


def _shared():
    layer = layers.Linear(3, 3)
    return layers.Sequential(layer, layers.ReLU(), layer)


def _frozen():
    return layers.Sequential(layers.Linear(3, 3)).requires_grad_(False)


def _normalized():
    model = layers.Sequential(layers.LayerNorm(3))
    torch.nn.init.constant_(model[0].weight, 2.0)
    return model


@pytest.mark.parametrize(
    ("build", "shape", "message"),
    [
        (
            lambda: layers.Sequential(layers.Linear(3, 3), Branching()),
            None,
            r"model\.1: Branching has no rule .* give input_shape=",
        ),
        (
            lambda: layers.Sequential(layers.Linear(3, 3), Branching()),
            (3,),
            r"model\.1: torch.fx cannot trace .* Branching",
        ),
        (lambda: layers.Sequential(LinearOfItsOwn(3, 3)), None, r"model\.0: LinearOfItsOwn has no rule"),
        (
            lambda: layers.TransformerEncoderLayer(8, 2),
            None,
            r"model\.self_attn: MultiheadAttention divides its logits by the root",
        ),
        (
            lambda: layers.Sequential(layers.Linear(3, 3), layers.Softmax(-1)),
            (3,),
            r"model\.1: Softmax has no counterpart",
        ),
        (
            lambda: layers.Sequential(layers.BatchNorm1d(3)),
            None,
            r"model\.0: BatchNorm1d normalizes by the batch.*eval\(\)",
        ),
        (
            lambda: layers.Sequential(layers.Conv2d(3, 3, 3), layers.MaxPool2d(2)),
            None,
            r"model\.1: MaxPool2d .* average",
        ),
        (lambda: layers.Sequential(layers.Conv2d(4, 4, 3, groups=2)), None, r"model\.0: Conv2d has groups=2"),
        (
            lambda: layers.Sequential(layers.Conv2d(4, 4, 3, padding_mode="reflect", padding=1)),
            None,
            "padding_mode='reflect'",
        ),
        (
            lambda: layers.Sequential(layers.Conv2d(3, 3, 3), layers.Linear(4, 2)),
            None,
            r"model\.1: Linear acts on the last axis",
        ),
        (
            lambda: layers.Sequential(layers.Conv2d(3, 3, 3), layers.Linear(4, 3), Twice()),
            (3, 6, 6),
            r"model\.1 \(Linear\): acts on",
        ),
        (Twice, (3,), r"model\.inner: Linear is used twice, with the same weights"),
        (_shared, None, r"model\.2\.weight: these are the parameters of model\.0\.weight again"),
        (Crossed, (3,), r"joins branches that both come from model\.a \(Linear\)"),
        (Products, (4, 3), r"its code uses matmul: a product of values \(attention\)"),
        (_frozen, None, r"model\.0: Linear has frozen parameters"),
        (_normalized, None, r"model\.0: LayerNorm has a gain that is not 1 everywhere"),
        (lambda: layers.Sequential(layers.LayerNorm((4, 3))), None, r"has a gain for each position, of shape \(4, 3\)"),
        (lambda: torch.nn.utils.parametrizations.weight_norm(layers.Linear(3, 3)), None, "has parametrized weights"),
    ],
)
def test_what_has_no_counterpart(build, shape, message):
    with pytest.raises(NotImplementedError, match=message):
        convert.from_torch(build(), shape)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((3,), {}, TypeError, "module must be a PyTorch module; received int"),
        (
            (layers.Linear(2, 2),),
            {"scales": "known"},
            ValueError,
            "scales must be 'weights' or 'initializer'; received 'known'",
        ),
        ((layers.Linear(2, 2), 3), {}, TypeError, "input_shape must be a tuple such as"),
        ((layers.Linear(2, 2), (0,)), {}, ValueError, r"input_shape\[0\] must be an integer, at least 1; received 0"),
    ],
)
def test_bad_arguments(arguments, options, error, message):
    with pytest.raises(error, match=message):
        convert.from_torch(*arguments, **options)


def test_a_foreign_model_is_told_how_to_become_a_network():
    assert how_to_convert(layers.Linear(2, 2)) == ". Convert it: nnlimits.convert.from_torch(...)"
    assert how_to_convert(3) == ""
