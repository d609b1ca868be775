"""Empirical kernels of PyTorch modules, by contraction of their Jacobians with `torch.func`."""

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from nnlimits.empirical import batches
from nnlimits.empirical.arguments import check_choice
from nnlimits.empirical.pairs import OUTPUT_AXES
from nnlimits.validation import check_finite

_PRODUCTS = {"full": "iap,jbp->ijab", "trace": "iap,jap->ij", "diagonal": "iap,jap->ija"}
_MATCHED = {"full": "iap,ibp->iab", "trace": "iap,iap->i", "diagonal": "iap,iap->ia"}


class TorchFunction:
    """A PyTorch module as a function of its parameters and a batch; made by `as_function`."""

    def __init__(self, model: Any, fixed: dict[str, Any]) -> None:
        self.model, self.fixed = model, fixed

    def __call__(self, params: dict[str, Any], x: Any) -> Any:
        """The outputs, a tensor."""
        from torch.func import functional_call

        return functional_call(self.model, {**self.fixed, **params}, (x,))


def torch_function(model: Any) -> tuple[TorchFunction, dict[str, Any]]:
    """The function and its parameters, those of the module that require gradients."""
    model = copy.deepcopy(model).eval()
    params = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    fixed = {name: p.detach() for name, p in model.named_parameters() if not p.requires_grad}
    fixed |= {name: buffer.detach() for name, buffer in model.named_buffers()}
    if not params:
        raise ValueError("model has no parameters that require gradients; its kernel would be zero")
    return TorchFunction(model, fixed), params


def torch_ntk(
    f: TorchFunction, params: dict[str, Any], x1: Any, x2: Any, outputs: str, pairs: str, algorithm: str | None
) -> Float[np.ndarray, "..."]:
    """As `ntk`, for a PyTorch module; only by Jacobians."""
    check_choice("algorithm for a PyTorch module", algorithm, ("jacobian", None))
    first = _examples("x1", x1, params)
    second = None if x2 is None else _examples("x2", x2, params)
    if second is not None and first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"x1 and x2 must hold examples of one shape; received {first.shape[1:]} and {second.shape[1:]}"
        )
    n_outputs = math.prod(_outputs(f, params, first[:1]).shape[1:])
    compute = _matched if pairs == "matched" else _all
    if pairs == "matched" and second is not None and len(first) != len(second):
        raise ValueError(f'pairs="matched" needs as many x1 as x2; received {len(first)} and {len(second)}')
    result = compute(f, params, first, second, outputs, n_outputs)
    return result / n_outputs if outputs == "trace" else result


def torch_nngp(f: TorchFunction, params: dict[str, Any], x1: Any, x2: Any) -> Float[np.ndarray, "n1 n2"]:
    """As `nngp`, for a PyTorch module."""
    first = _outputs(f, params, _examples("x1", x1, params)).reshape(len(x1), -1)
    second = first if x2 is None else _outputs(f, params, _examples("x2", x2, params)).reshape(len(x2), -1)
    return (first @ second.T / first.shape[1]).cpu().numpy()


def _outputs(f: TorchFunction, params: dict[str, Any], x: Any) -> Any:
    import torch

    with torch.no_grad():
        return f(params, x)


def _examples(name: str, x: Any, params: dict[str, Any]) -> Any:
    import torch

    like = next(iter(params.values()))
    tensor = torch.as_tensor(x if isinstance(x, torch.Tensor) else np.asarray(x), device=like.device)
    if tensor.ndim == 0 or len(tensor) == 0:
        raise ValueError(f"{name} must hold examples along its first axis; received shape {tuple(tensor.shape)}")
    if not tensor.is_floating_point():
        return tensor
    if not bool(torch.isfinite(tensor).all()):
        check_finite(name, tensor.cpu().numpy())
    return tensor.to(like.dtype)


def _all(
    f: TorchFunction, params: dict[str, Any], x1: Any, x2: Any, outputs: str, n_outputs: int
) -> Float[np.ndarray, "n1 n2 ..."]:
    others = x1 if x2 is None else x2
    axes = (n_outputs,) * OUTPUT_AXES[outputs]
    result = np.zeros((len(x1), len(others), *axes), _numpy_type(params))
    for rows in _batches(params, len(x1), n_outputs):
        left = _jacobians(f, params, x1[rows])
        for columns in _batches(params, len(others), n_outputs):
            if x2 is None and columns.stop <= rows.start:
                continue
            right = left if x2 is None and columns == rows else _jacobians(f, params, others[columns])
            result[rows, columns] = _contract(_PRODUCTS[outputs], left, right)
            if x2 is None and columns != rows:
                mirrored = result[rows, columns].swapaxes(0, 1)
                result[columns, rows] = mirrored.swapaxes(2, 3) if outputs == "full" else mirrored
    return result


def _matched(
    f: TorchFunction, params: dict[str, Any], x1: Any, x2: Any, outputs: str, n_outputs: int
) -> Float[np.ndarray, "n ..."]:
    parts = []
    for rows in _batches(params, len(x1), n_outputs):
        left = _jacobians(f, params, x1[rows])
        right = left if x2 is None else _jacobians(f, params, x2[rows])
        parts.append(_contract(_MATCHED[outputs], left, right))
    return np.concatenate(parts)


def _jacobians(f: TorchFunction, params: dict[str, Any], x: Any) -> list[Any]:
    """One array (n, outputs, entries) for each parameter."""
    import torch

    def one(params: dict[str, Any], x: Any) -> Any:
        return f(params, x[None])[0].reshape(-1)

    jacobian: Callable[..., Any] = torch.func.vmap(torch.func.jacrev(one), (None, 0))
    return [leaf.reshape(*leaf.shape[:2], -1) for leaf in jacobian(params, x).values()]


def _contract(products: str, left: list[Any], right: list[Any]) -> np.ndarray:
    import torch

    total = sum(torch.einsum(products, a, b) for a, b in zip(left, right, strict=True))
    return total.detach().cpu().numpy()  # type: ignore[union-attr]


def _batches(params: dict[str, Any], n: int, n_outputs: int) -> Iterator[slice]:
    """Examples whose Jacobians fit in memory, two such batches at a time."""
    each = n_outputs * sum(p.numel() * p.element_size() for p in params.values())
    size = batches.batch_size(float(each), n, 0.0)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _numpy_type(params: dict[str, Any]) -> Any:
    return next(iter(params.values())).cpu().numpy().dtype
