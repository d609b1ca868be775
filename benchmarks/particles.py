"""Mean-field particles against the same flow written plainly in PyTorch: `python benchmarks/particles.py [--steps 1000]`.

Full-batch gradient descent of 4,096 neurons `a relu(<w, x> + b)` on 2,000 examples of dimension 40, in single precision. Each
side runs in a process of its own, on the same number of threads; they take turns. What the matrix products alone would
take, at the speed at which either side multiplies matrices of these very shapes, is the floor.
PyTorch is expected in this interpreter, or in the one that `NNLIMITS_TORCH_PYTHON` names.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

NEURONS, EXAMPLES, FEATURES, STEP = 4096, 2000, 40, 0.1
BUDGET = 60.0
"""Seconds for a thousand steps."""
TORCH_VARIABLE = "NNLIMITS_TORCH_PYTHON"
FLOPS = 2 * 2 * NEURONS * EXAMPLES * FEATURES
"""Of the products with the examples in one step: one forward, one for the gradient."""


def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Examples, targets, and neurons (w, b, a)."""
    random = np.random.default_rng(0)
    x = random.standard_normal((EXAMPLES, FEATURES)).astype(np.float32)
    neurons = 0.3 * random.standard_normal((NEURONS, FEATURES + 2)).astype(np.float32)
    return x, np.tanh(x[:, :1]), neurons


def ours(steps: int) -> dict:
    import jax
    import jax.numpy as jnp

    from nnlimits import mean_field, nn

    x, y, neurons = problem()
    risk = mean_field.EmpiricalRisk(mean_field.TwoLayer(nn.Relu(), FEATURES, bias=True), x, y)
    start = mean_field.Neurons(neurons)

    def train(steps: int) -> float:
        return float(mean_field.descent(risk, start, STEP, [steps]).risks[0])

    product = jax.jit(jnp.matmul)
    factors = jnp.asarray(neurons[:, :FEATURES]), jnp.asarray(x.T)
    back = jnp.ones((NEURONS, EXAMPLES), np.float32), jnp.asarray(x)
    return timed(train, steps, lambda: jax.block_until_ready((product(*factors), product(*back))))


def plain_torch(steps: int) -> dict:
    import torch

    x, y, neurons = map(torch.from_numpy, problem())

    def train(steps: int) -> float:
        w, b, a = (part.clone().requires_grad_() for part in neurons.split([FEATURES, 1, 1], 1))

        def risk() -> torch.Tensor:
            return (torch.relu(x @ w.T + b[:, 0]) @ a / NEURONS - y).square().mean() / 2

        for _ in range(steps):
            gradients = torch.autograd.grad(risk(), (w, b, a))
            with torch.no_grad():
                for part, gradient in zip((w, b, a), gradients, strict=True):
                    part -= STEP * NEURONS * gradient
        return float(risk())

    factors, back = (neurons[:, :FEATURES].contiguous(), x.T.contiguous()), (torch.ones(NEURONS, EXAMPLES), x)
    return timed(train, steps, lambda: (factors[0] @ factors[1], back[0] @ back[1]))


def timed(train, steps: int, products) -> dict:
    """The seconds of a step and of its matrix products, on the clock and of all cores, and the risk at the end."""
    train(1)
    products()
    wall, core = time.perf_counter(), time.process_time()
    risk = train(steps)
    wall, core = (time.perf_counter() - wall) / steps, (time.process_time() - core) / steps
    laps = []
    for _ in range(10):
        start = time.perf_counter()
        products()
        laps.append(time.perf_counter() - start)
    return {"risk": risk, "step_s": wall, "step_core_s": core, "floor_s": min(laps)}


SIDES = {"ours": ours, "torch": plain_torch}


def run(side: str, steps: int, threads: int) -> dict:
    """One side in a fresh process."""
    from environments import our_environment

    python = os.environ.get(TORCH_VARIABLE, sys.executable) if side == "torch" else sys.executable
    variables = our_environment() | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [python, __file__, "--side", side, "--steps", str(steps)]
    if threads < (os.cpu_count() or 1):
        command = ["taskset", "-c", f"0-{threads - 1}", *command]  # XLA takes the cores that it is given
    found = subprocess.run(command, env=variables, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return json.loads(found.stdout.splitlines()[-1])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/particles.py", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each side")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        print(json.dumps(SIDES[options.side](options.steps)))
        return 0
    found = {side: [] for side in SIDES}
    for _ in range(options.repeats):
        for side, runs in found.items():
            runs.append(run(side, options.steps, options.threads))
    return show(found, options)


def show(found: dict[str, list[dict]], options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{NEURONS} neurons, {EXAMPLES} examples of dimension {FEATURES}, {options.threads} threads")
    for name in (
        "side",
        "1,000 steps",
        "core time",
        "floor",
        "times the floor",
        "Gflop/s of products",
        "risk at the end",
    ):
        table.add_column(name, justify="left" if name == "side" else "right")
    floor = min(run["floor_s"] for runs in found.values() for run in runs)
    median = {side: statistics.median(run["step_s"] for run in runs) for side, runs in found.items()}
    for side, runs in found.items():
        core = statistics.median(run["step_core_s"] for run in runs)
        own = min(run["floor_s"] for run in runs)
        figures = (
            f"{1e3 * median[side]:.1f} s",
            f"{1e3 * core:.1f} s",
            f"{1e3 * own:.1f} s",
            f"{median[side] / floor:.2f}",
        )
        table.add_row(side, *figures, f"{FLOPS / own / 1e9:.0f}", f"{runs[0]['risk']:.6f}")
    console = Console()
    console.print(table)
    console.print(f"{median['torch'] / median['ours']:.2f} times as quick as plain PyTorch; budget {BUDGET:g} s")
    return 0 if 1e3 * median["ours"] <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
