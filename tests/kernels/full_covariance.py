"""The infinite-width kernels in NumPy, by the plainest route: the full covariance of all positions of all examples.

It shares nothing with the library but the words of the language. The state is one matrix over (example, position); a
layer that mixes positions multiplies it from both sides by the matrices that mix those of one example.
"""

import dataclasses
import math
from functools import singledispatch

import numpy as np

from nnlimits import nn


@dataclasses.dataclass(frozen=True)
class State:
    """Covariance and NTK, (n, P, n, P), of units at P positions, which `sizes` gives axis by axis."""

    k: np.ndarray
    t: np.ndarray
    sizes: tuple[int, ...]
    channels: float
    flat: bool = False
    mask: np.ndarray | None = None
    graph: np.ndarray | None = None

    @property
    def variance(self):
        n, count = self.k.shape[:2]
        return self.k.reshape(n * count, -1).diagonal().reshape(n, count)

    def seen(self):
        """Zeros where positions are masked."""
        if self.mask is None or self.mask.shape[1] != self.k.shape[1]:
            return self
        keep = np.where(self.mask, 0.0, 1.0)
        keep = keep[:, :, None, None] * keep
        return dataclasses.replace(self, k=self.k * keep, t=self.t * keep)

    def after(self, matrix, sizes=None):
        """Positions mixed by a matrix (new, old), or one an example."""
        if matrix.ndim == 2:
            matrix = np.broadcast_to(matrix, (len(self.k), *matrix.shape))
        sizes = self.sizes if sizes is None else sizes
        return dataclasses.replace(self, k=_through(matrix, self.k), t=_through(matrix, self.t), sizes=sizes)


def _through(matrix, k):
    half = np.einsum("ipa,iajb->ipjb", matrix, k)
    return np.einsum("ipjb,jqb->ipjq", half, matrix)


def kernels(network, x):
    """NNGP and NTK of all pairs of the examples `x`, each with itself knowing that it is one (for dropout)."""
    x = np.asarray(x, float)
    parameterization = network.parameterization if isinstance(network, nn.Sequential) else "ntk"
    state = after(network, x, parameterization)
    assert state.k.shape[1] == 1 or state.flat
    return tuple(np.einsum("ipjp->ij", v) / v.shape[1] for v in (state.k, state.t))


@singledispatch
def after(layer, state, parameterization):
    """The state after a layer; until the first one that is not a combinator, the raw inputs are passed on."""
    raise NotImplementedError(type(layer).__name__)


def begun(state):
    """The state of raw inputs (n, *positions, channels)."""
    if isinstance(state, State):
        return state
    n, *sizes, channels = state.shape
    x = state.reshape(n, -1, channels)
    k = np.einsum("ipc,jqc->ipjq", x, x) / channels
    return State(k, np.zeros_like(k), tuple(sizes), channels)


# combinators


@after.register
def _sequential(layer: nn.Sequential, state, parameterization):
    for member in layer.layers:
        state = after(member, state, parameterization)
    return begun(state)


def at_depth(word, depth):
    """The word with `nn.DepthScale` written out."""
    if isinstance(word, nn.DepthScale):
        return nn.Scale(depth**-word.exponent)
    if isinstance(word, nn.Sequential):
        return nn.Sequential(*(at_depth(layer, depth) for layer in word.layers))
    return nn.Residual(at_depth(word.body, depth), word.shortcut) if isinstance(word, nn.Residual) else word


@after.register
def _repeat(layer: nn.Repeat, state, parameterization):
    return after(nn.Sequential(*[at_depth(layer.block, layer.depth)] * layer.depth), state, parameterization)


@after.register
def _residual(layer: nn.Residual, state, parameterization):
    return _sum([begun(after(branch, state, parameterization)) for branch in (layer.shortcut, layer.body)])


@after.register
def _parallel(layer: nn.Parallel, state, parameterization):
    ends = [begun(after(branch, state, parameterization)) for branch in layer.branches]
    if isinstance(layer.merge, nn.Sum):
        return _sum(ends)
    if isinstance(layer.merge, nn.Product):
        k, t = ends[0].k, ends[0].t
        for end in ends[1:]:
            k, t = k * end.k, t * end.k + k * end.t
        return dataclasses.replace(ends[0], k=k, t=t)
    width = sum(end.channels for end in ends)
    k, t = (sum(end.channels / width * getattr(end, name) for end in ends) for name in "kt")
    return dataclasses.replace(ends[0], k=k, t=t, channels=width)


def _sum(ends):
    return dataclasses.replace(ends[0], k=sum(end.k for end in ends), t=sum(end.t for end in ends))


@after.register
def _masked(layer: nn.Masked, x, parameterization):
    first = layer.layers[0]
    mask = x == layer.value
    mask = mask if isinstance(first, nn.Embedding) else mask.all(-1)
    mask = mask.reshape(len(x), -1)
    if isinstance(first, nn.GraphNetwork):
        nodes = x.shape[1]
        state = dataclasses.replace(begun(x[:, :, nodes:]), mask=mask, graph=x[:, :, :nodes])
        return after(nn.Sequential(*first.layers, *layer.layers[1:]), state, parameterization)
    if isinstance(first, nn.Embedding):
        state = dataclasses.replace(after(first, np.where(x == layer.value, 0, x), parameterization), mask=mask)
        return after(nn.Sequential(*layer.layers[1:]), state, parameterization)
    return after(nn.Sequential(*layer.layers), dataclasses.replace(begun(x), mask=mask), parameterization)


@after.register
def _graph_network(layer: nn.GraphNetwork, x, parameterization):
    nodes = x.shape[1]
    state = dataclasses.replace(begun(x[:, :, nodes:]), graph=x[:, :, :nodes])
    return after(nn.Sequential(*layer.layers), state, parameterization)


# activations: E[phi phi] and E[phi' phi'] of all pairs


@after.register
def _activation(layer: nn.Activation, state, parameterization):
    state = begun(state)
    q = state.variance
    value, slope = dual(layer, state.k, q[:, :, None, None], q[None, None])
    return dataclasses.replace(state, k=value, t=slope * state.t)


def dual(layer, k, q1, q2):
    if isinstance(layer, nn.Relu):
        root = np.sqrt(q1 * q2)
        c = np.clip(k / np.where(root > 0, root, 1.0), -1, 1)
        # the angle of units that coincide up to rounding is zero, and not the root of the rounding
        angle = np.where(c > 1 - 1e-13, 0.0, np.where(c < 1e-13 - 1, math.pi, np.arccos(c)))
        return root * (np.sin(angle) + (math.pi - angle) * c) / (2 * math.pi), (math.pi - angle) / (2 * math.pi)
    if isinstance(layer, nn.Erf):
        both = (1 + 2 * q1) * (1 + 2 * q2)
        return 2 / math.pi * np.arcsin(2 * k / np.sqrt(both)), 4 / math.pi / np.sqrt(both - 4 * k**2)
    if isinstance(layer, nn.Cos):
        near, far = np.exp(k - (q1 + q2) / 2), np.exp(-k - (q1 + q2) / 2)
        return (near + far) / 2, (near - far) / 2
    raise NotImplementedError(type(layer).__name__)


@after.register
def _identity(layer: nn.Identity, state, parameterization):
    return state


@after.register
def _dropout(layer: nn.Dropout, state, parameterization):
    state = begun(state)
    n, count = state.k.shape[:2]
    gain = np.ones((n * count, n * count)) + np.eye(n * count) * (1 / (1 - layer.rate) - 1)
    gain = gain.reshape(state.k.shape)
    return dataclasses.replace(state, k=gain * state.k, t=gain * state.t)


@after.register
def _layer_norm(layer: nn.LayerNorm, state, parameterization):
    state = begun(state)
    n, rank = len(state.k), len(state.sizes) + 1
    if state.flat or not state.sizes:
        axes = tuple(range(1, rank))
    else:
        axes = tuple(axis + 1 for axis in sorted(axis % rank for axis in layer.axes)[:-1])
    q = state.variance.reshape(n, *state.sizes)
    weight = np.ones_like(q)
    if state.mask is not None and axes and state.mask.shape[1] == state.k.shape[1]:
        weight = np.where(state.mask, 0.0, 1.0).reshape(q.shape)
    count = weight.sum(axes, keepdims=True)
    mean = (weight * q).sum(axes, keepdims=True) / np.maximum(count, 1)
    gain = np.broadcast_to(1 / np.sqrt(mean + layer.epsilon), q.shape).reshape(n, -1)
    gain = gain[:, :, None, None] * gain
    return dataclasses.replace(state, k=gain * state.k, t=gain * state.t)


# layers with weights: `terms` are the position matrices that share one weight each


def _weighted(state, layer, parameterization, terms, sizes, fan_in, share=1.0):
    """`K' = w^2 share sum_o A_o K A_o' + b^2`; the gradients of the weights themselves, and then those from below."""
    parts = [state.after(a, sizes) for a in terms]
    k, t = sum(p.k for p in parts), sum(p.t for p in parts)
    w, b = layer.w_std**2, layer.b_std**2
    value = w * share * k + b
    # in the standard parameterization a weight's gradient is its input: K summed, over channels too
    own = value if parameterization == "ntk" else fan_in * share * k + 1
    return dataclasses.replace(state, k=value, t=own + w * share * t, sizes=sizes, channels=layer.width, flat=False)


@after.register
def _dense(layer: nn.Dense, state, parameterization):
    state = begun(state)
    count = state.k.shape[1]
    terms = [np.eye(count)[i : i + 1] for i in range(count)]
    return _weighted(state, layer, parameterization, terms, (), state.channels * count, 1 / count)


@after.register
def _linear(layer: nn.Linear, state, parameterization):
    state = begun(state)
    rank = len(state.sizes) + 1
    if state.flat or rank == 1:
        return _dense(layer, state, parameterization)
    axes = sorted(axis % rank for axis in layer.axes)[:-1]
    state = state.seen() if axes else state
    rest = [axis for axis in range(rank - 1) if axis not in axes]
    place = np.arange(math.prod(state.sizes)).reshape(state.sizes)
    place = place.transpose(*axes, *rest).reshape(math.prod(state.sizes[a] for a in axes), -1)
    terms = [np.eye(place.size)[row] for row in place]
    sizes = tuple(state.sizes[axis] for axis in rest)
    return _weighted(state, layer, parameterization, terms, sizes, state.channels * len(terms), 1 / len(terms))


def _per_axis(value, axes):
    return (value,) * axes if isinstance(value, int) else value


def _taps(size, kernel, stride, dilation, padding):
    """For every tap, what each output of one axis sees: 0-1 matrices (new, old), by padding an array of places."""
    extent = (kernel - 1) * dilation + 1
    if padding == "valid":
        low = high = 0
    elif padding == "circular":
        low = high = extent // 2
    else:
        missing = max((math.ceil(size / stride) - 1) * stride + extent - size, 0)
        low, high = missing // 2, missing - missing // 2
    places = np.arange(size)
    places = np.pad(places, (low, high), mode="wrap") if padding == "circular" else np.pad(places + 1, (low, high)) - 1
    starts = range(0, len(places) - extent + 1, stride)
    found = np.zeros((kernel, len(starts), size))
    for new, start in enumerate(starts):
        for tap in range(kernel):
            if places[start + tap * dilation] >= 0:
                found[tap, new, places[start + tap * dilation]] = 1.0
    return found


def _grid(each):
    """All products of one matrix an axis, and the new sizes."""
    terms = [np.ones((1, 1))]
    for axis in each:
        terms = [np.kron(term, matrix) for term in terms for matrix in axis]
    return terms, tuple(axis.shape[1] for axis in each)


def _windows(layer, state, kernel, stride, dilation):
    axes = len(state.sizes)
    sizes = (state.sizes, *(_per_axis(v, axes) for v in (kernel, stride, dilation)))
    return _grid([_taps(*one, layer.padding) for one in zip(*sizes, strict=True)])


@after.register
def _conv(layer: nn.Conv, state, parameterization):
    state = begun(state).seen()
    terms, sizes = _windows(layer, state, layer.kernel_size, layer.stride, layer.dilation)
    fan_in = len(terms) * state.channels
    return _weighted(state, layer, parameterization, terms, sizes, fan_in, 1 / len(terms))


@after.register
def _locally_connected(layer: nn.LocallyConnected, state, parameterization):
    state = begun(state)
    below = state.seen()
    terms, sizes = _windows(layer, below, layer.kernel_size, layer.stride, 1)
    fan_in = len(terms) * state.channels
    found = _weighted(below, layer, parameterization, terms, sizes, fan_in, 1 / len(terms))
    own = np.eye(found.k.shape[1])[None, :, None, :]
    return dataclasses.replace(found, k=found.k * own, t=found.t * own)


@after.register
def _conv_transpose(layer: nn.ConvTranspose, state, parameterization):
    state = begun(state).seen()
    axes, each = len(state.sizes), []
    for size, f, s in zip(state.sizes, _per_axis(layer.kernel_size, axes), _per_axis(layer.stride, axes), strict=True):
        whole = np.zeros((f, (size - 1) * s + f, size))
        for i in range(size):
            for o in range(f):
                whole[o, s * i + o, i] = 1.0
        if layer.padding == "same":
            low = max(0, (f - s) // 2)
            more = np.pad(whole, [(0, 0), (0, size * s + f), (0, 0)])
            whole = more[:, low : low + size * s]
        elif layer.padding == "circular":
            ring = np.zeros((f, size * s, size))
            for p in range(whole.shape[1]):
                ring[:, (p - (f - 1) // 2) % (size * s)] += whole[:, p]
            whole = ring
        each.append(whole)
    terms, sizes = _grid(each)
    fan_in = len(terms) * state.channels
    return _weighted(state, layer, parameterization, terms, sizes, fan_in, 1 / len(terms))


@after.register
def _embedding(layer: nn.Embedding, tokens, parameterization):
    n, *sizes = tokens.shape
    one_hot = tokens.reshape(n, -1)[:, :, None] == np.arange(layer.vocabulary)
    same = np.einsum("ipv,jqv->ipjq", one_hot.astype(float), one_hot)
    value = layer.w_std**2 * same
    return State(value, value if parameterization == "ntk" else same, tuple(sizes), layer.width)


@after.register
def _positional_embedding(layer: nn.PositionalEmbedding, state, parameterization):
    state = begun(state)
    place = np.indices(state.sizes).reshape(len(state.sizes), -1)
    square = ((place[:, :, None] - place[:, None]) ** 2).sum(0)
    scale = layer.length_scale
    correlation = (np.exp(-square / (2 * scale**2)) if scale else (square == 0).astype(float))[None, :, None]
    own = layer.std**2 if parameterization == "ntk" else 1.0
    return dataclasses.replace(state, k=state.k + layer.std**2 * correlation, t=state.t + own * correlation)


# positions averaged, picked, resized


def _pool(layer, state, scale):
    state = begun(state).seen()
    stride = layer.window if layer.stride is None else layer.stride
    terms, sizes = _windows(layer, state, layer.window, stride, 1)
    return state.after(sum(terms) / (len(terms) if scale else 1), sizes)


@after.register
def _avg_pool(layer: nn.AvgPool, state, parameterization):
    return _pool(layer, state, scale=True)


@after.register
def _sum_pool(layer: nn.SumPool, state, parameterization):
    return _pool(layer, state, scale=False)


@after.register
def _global_sum(layer: nn.GlobalSumPool, state, parameterization):
    state = begun(state).seen()
    return state.after(np.ones((1, state.k.shape[1])), ())


@after.register
def _global_avg(layer: nn.GlobalAvgPool, state, parameterization):
    state = begun(state)
    masked = np.zeros(state.k.shape[:2]) if state.mask is None else state.mask
    count = (1 - masked).sum(1)
    return state.seen().after(np.ones((1, state.k.shape[1])) / count[:, None, None], ())


@after.register
def _flatten(layer: nn.Flatten, state, parameterization):
    return dataclasses.replace(begun(state).seen(), flat=True, mask=None)


@after.register
def _index(layer: nn.Index, state, parameterization):
    state = begun(state)
    place = np.arange(math.prod(state.sizes)).reshape(state.sizes)[layer.index]
    return state.after(np.eye(math.prod(state.sizes))[place.reshape(-1)], place.shape)


@after.register
def _image_resize(layer: nn.ImageResize, state, parameterization):
    state, each = begun(state), []
    for new, old in zip(layer.shape, state.sizes, strict=True):
        matrix = np.zeros((1, new, old))
        for p in range(new):
            if layer.method == "nearest":
                matrix[0, p, (2 * p + 1) * old // (2 * new)] = 1.0
            else:
                place = min(max((p + 0.5) * old / new - 0.5, 0), old - 1)
                left = min(math.floor(place), old - 1)
                matrix[0, p, left] += 1 - (place - left)
                matrix[0, p, min(left + 1, old - 1)] += place - left
        each.append(matrix)
    terms, sizes = _grid(each)
    return state.after(terms[0], sizes)


# layers that mix positions as the inputs tell


@after.register
def _aggregate(layer: nn.Aggregate, state, parameterization):
    matrices = []
    for i, adjacency in enumerate(state.graph):
        a = adjacency + (np.eye(len(adjacency)) if layer.self_loops else 0)
        if state.mask is not None:
            present = ~state.mask[i]
            a = a * present[:, None] * present
        degree = a.sum(1)
        inverse = np.array([1 / d if d > 0 else 0.0 for d in degree])
        if layer.normalize == "mean":
            a = np.diag(inverse) @ a
        elif layer.normalize == "symmetric":
            a = np.diag(np.sqrt(inverse)) @ a @ np.diag(np.sqrt(inverse))
        matrices.append(a)
    return state.seen().after(np.stack(matrices))


@after.register
def _self_attention(layer: nn.SelfAttention, state, parameterization):
    state = begun(state)
    query, key, value, out = (s**2 for s in (layer.w_query_std, layer.w_key_std, layer.w_value_std, layer.w_out_std))
    heads = layer.heads * layer.value_width
    keys = np.ones(state.k.shape[:2]) if state.mask is None else np.where(state.mask, 0.0, 1.0)
    if layer.scaling == "linear":
        rows = []
        for i, kept in enumerate(keys):
            logits = math.sqrt(query * key) * state.k[i, :, i]
            if layer.attention == "identity":
                rows.append(logits * kept)
            else:
                weights = np.exp(logits - logits.max(1, keepdims=True)) * kept
                rows.append(weights / weights.sum(1, keepdims=True))
        mixed, gain = state.after(np.stack(rows)), out * value
        k, below = mixed.k, gain * mixed.t
        own = 2 * gain * k if parameterization == "ntk" else (heads * value + state.channels * out) * k
    else:
        both = keys[:, :, None, None] * keys
        gain = out * value * query * key
        squares = (both * state.k**2).sum((1, 3))[:, None, :, None]
        k = state.k * squares
        slope = (both * state.k * state.t).sum((1, 3))[:, None, :, None]
        below = gain * (state.t * squares + 2 * state.k * slope)
        own = 4 * gain * k
        if parameterization == "standard":
            gradients = query * key + value * key + value * query
            own = (heads * query * key * value + state.channels * out * gradients) * k
    bias = layer.b_std**2 if parameterization == "ntk" else 1.0
    k, t = gain * k + layer.b_std**2, own + below + bias
    return dataclasses.replace(state, k=k, t=t, channels=layer.width)


@after.register
def _rnn(layer: nn.Rnn, state, parameterization):
    """Time by time: from the states of all examples and times to those one step later; masked steps keep theirs."""
    state = begun(state)
    n, steps = state.k.shape[:2]
    w, u, b = layer.w_std**2, layer.u_std**2, layer.b_std**2
    # only unmasked steps count: place[i][s] is the time of the s-th of example i
    place = [np.arange(steps) if state.mask is None else np.flatnonzero(~state.mask[i]) for i in range(n)]
    h = np.zeros((n, steps + 1, n, steps + 1))  # of states, the first of which is zero
    theta = np.zeros_like(h)
    before = np.zeros_like(h)
    for s in range(1, steps + 1):
        for r in range(1, steps + 1):
            for i in range(n):
                for j in range(n):
                    if s > len(place[i]) or r > len(place[j]):
                        continue
                    a, c = place[i][s - 1], place[j][r - 1]
                    before[i, s, j, r] = w * h[i, s - 1, j, r - 1] + u * state.k[i, a, j, c] + b
                    own = before[i, s, j, r]
                    if parameterization == "standard":
                        own = layer.width * h[i, s - 1, j, r - 1] + state.channels * state.k[i, a, j, c] + 1
                    theta[i, s, j, r] = own + w * theta[i, s - 1, j, r - 1] + u * state.t[i, a, j, c]
                    # the variances after this step do not exist yet where i, s and j, r differ: take them by themselves
                    q1, q2 = (_rnn_variance(layer, state, place, *one) for one in ((i, s), (j, r)))
                    if isinstance(layer.activation, nn.Identity):
                        h[i, s, j, r] = before[i, s, j, r]
                        continue
                    value, slope = dual(layer.activation, before[i, s, j, r], q1, q2)
                    h[i, s, j, r], theta[i, s, j, r] = value, slope * theta[i, s, j, r]
    last = [np.arange(1, steps + 1) if state.mask is None else np.cumsum(~state.mask[i]) for i in range(n)]
    k, t = np.zeros((2, n, steps, n, steps))
    for i in range(n):
        for j in range(n):
            k[i, :, j], t[i, :, j] = (v[i][last[i]][:, j][:, last[j]] for v in (h, theta))
    return dataclasses.replace(state, k=k, t=t, channels=layer.width)


def _rnn_variance(layer, state, place, i, steps):
    """Before the activation, of example i after some steps."""
    after_ = 0.0
    for s in range(steps):
        q = layer.w_std**2 * after_ + layer.u_std**2 * state.k[i, place[i][s], i, place[i][s]] + layer.b_std**2
        after_ = q if isinstance(layer.activation, nn.Identity) else dual(layer.activation, q, q, q)[0]
    return q
