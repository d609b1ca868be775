"""Reference computations that several tests share, in NumPy and by loops."""

import itertools

import jax
import numpy as np
import pytest


def _patches(x, kernel, stride, dilation, padding):
    axes = len(kernel)
    patches = []
    for example in x:
        ranges = []
        for n, f, s, d in zip(example.shape, kernel, stride, dilation, strict=False):
            extent = (f - 1) * d + 1
            if padding == "same":
                count = (n + s - 1) // s
                first = -(max((count - 1) * s + extent - n, 0) // 2)
            elif padding == "valid":
                count, first = len(range(0, n - extent + 1, s)), 0
            elif padding == "circular":
                count, first = n // s, -(extent - 1) // 2
            else:
                zeros = padding if isinstance(padding, int) else padding[len(ranges)]
                count, first = len(range(0, n + 2 * zeros - extent + 1, s)), -zeros
            ranges.append([[first + s * p + d * k for k in range(f)] for p in range(count)])
        seen = np.zeros((*map(len, ranges), *kernel, example.shape[-1]), x.dtype)
        for place in itertools.product(*(range(len(r)) for r in ranges)):
            for offset in itertools.product(*map(range, kernel)):
                at = [ranges[i][place[i]][offset[i]] for i in range(axes)]
                if padding == "circular":
                    at = [i % n for i, n in zip(at, example.shape, strict=False)]
                if all(0 <= i < n for i, n in zip(at, example.shape, strict=False)):
                    seen[place + offset] = example[tuple(at)]
        patches.append(seen)
    return np.array(patches)


@pytest.fixture
def patches():
    """`patches(x, kernel, stride, dilation, padding)`: what each window sees, (n, *outputs, *kernel, C), tuples given."""
    return _patches


def _standard_normal(net, shape, dtype=None):
    generator = np.random.default_rng(7)
    abstract = jax.eval_shape(lambda key: net.init(key, shape), jax.random.key(0))
    return jax.tree.map(lambda leaf: generator.normal(size=leaf.shape).astype(dtype or leaf.dtype), abstract)


@pytest.fixture
def standard_normal():
    """`standard_normal(net, shape)`: parameters like those of `init`, drawn by NumPy, which has nothing to compile."""
    return _standard_normal
