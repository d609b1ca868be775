"""Gradients of one small ODE network against torchdiffeq: `python benchmarks/neural_ode.py [--repeats 20]`.

Both sides have the same weights and examples in single precision, Dormand and Prince's method of order 5, the same tolerances,
and one gradient of the same loss with respect to all weights: ours through recursive checkpoints and by the backward
equation, theirs by `odeint` and `odeint_adjoint`. Each side runs in a process of its own, on the same number of threads;
they take turns, call by call. Compilation is stated apart. PyTorch and torchdiffeq are expected in this interpreter, or in
the one that `NNLIMITS_TORCH_PYTHON` names.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

CHANNELS, WIDTH, EXAMPLES, TOLERANCE = 16, 64, 256, 1e-5
TORCH_VARIABLE = "NNLIMITS_TORCH_PYTHON"
AGREEMENT = 1e-3
"""Relative, of outputs and gradients: a hundred times the tolerance."""
SIDES = {
    "ours": ("recursive_checkpoint", "backsolve"),
    "torchdiffeq": ("odeint", "odeint_adjoint"),
}


def problem() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Examples, and the weights of a perceptron with one hidden layer of tanh."""
    draw = np.random.default_rng(0)
    shapes = {"w1": (CHANNELS, WIDTH), "b1": (WIDTH,), "w2": (WIDTH, CHANNELS), "b2": (CHANNELS,)}
    weights = {name: draw.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    weights = {
        name: values / np.sqrt(len(values)) if values.ndim == 2 else 0.1 * values for name, values in weights.items()
    }
    return draw.standard_normal((EXAMPLES, CHANNELS)).astype(np.float32), {
        k: v.astype(np.float32) for k, v in weights.items()
    }


def ours(variant: str):
    """One gradient, compiled ahead; the seconds that took; and the evaluations of the field on the way forward."""
    import jax
    import jax.numpy as jnp

    from nnlimits import nn

    x, weights = problem()
    field = nn.Sequential(nn.Dense(WIDTH, b_std=1.0), nn.Tanh(), nn.Dense(CHANNELS, b_std=1.0))
    net = nn.Sequential(
        nn.NeuralODE(field, solver="dopri5", rtol=TOLERANCE, atol=TOLERANCE, adjoint=variant),
        parameterization="standard",
    )
    params = (
        (
            {"weight": jnp.asarray(weights["w1"]), "bias": jnp.asarray(weights["b1"])},
            (),
            {"weight": jnp.asarray(weights["w2"]), "bias": jnp.asarray(weights["b2"])},
        ),
    )

    def loss(params, x):
        y = net.apply(params, x)
        return jnp.mean(jnp.sum(jnp.sin(y), -1)), y

    start = time.perf_counter()
    compiled = jax.jit(jax.grad(loss, has_aux=True)).lower(params, jnp.asarray(x)).compile()
    seconds = time.perf_counter() - start
    with nn.reporting() as reports:
        net.apply(params, x)
    inputs = jnp.asarray(x)

    def call():
        ((first, _, last),), y = jax.block_until_ready(compiled(params, inputs))
        return y, (first["weight"], first["bias"], last["weight"], last["bias"])

    return call, seconds, {"forward": int(reports[0].statistics["evaluations"])}


def torchdiffeq(variant: str):
    """One gradient; nothing is compiled; and the evaluations of the field on the way forward and in all."""
    import torch
    import torchdiffeq as package

    x, weights = problem()
    parameters = [torch.nn.Parameter(torch.from_numpy(weights[name])) for name in ("w1", "b1", "w2", "b2")]

    class Field(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = torch.nn.ParameterList(parameters)
            self.calls = 0

        def forward(self, s, x):
            self.calls += 1
            w1, b1, w2, b2 = self.weights
            return torch.addmm(b2, torch.tanh(torch.addmm(b1, x, w1)), w2)

    field, inputs, times = Field(), torch.from_numpy(x), torch.tensor([0.0, 1.0])
    solve = getattr(package, variant)

    def outputs():
        return solve(field, inputs, times, method="dopri5", rtol=TOLERANCE, atol=TOLERANCE)[-1]

    def call():
        y = outputs()
        return y.detach(), torch.autograd.grad(torch.sin(y).sum(-1).mean(), parameters)

    with torch.no_grad():
        outputs()
    forward, field.calls = field.calls, 0
    call()
    return call, 0.0, {"forward": forward, "in all": field.calls}


def serve(side: str, variant: str) -> None:
    """Obey `call` and `result` from the standard input, with lines of JSON as answers."""
    start = time.perf_counter()
    call, seconds, evaluations = {"ours": ours, "torchdiffeq": torchdiffeq}[side](variant)
    call()
    print(
        json.dumps({"compile_s": seconds, "evaluations": evaluations, "ready_s": time.perf_counter() - start}),
        flush=True,
    )
    for line in sys.stdin:
        start = time.perf_counter()
        y, gradient = call()
        seconds = time.perf_counter() - start
        if line.strip() == "result":
            flat = np.concatenate([np.ravel(np.asarray(part)) for part in gradient])
            print(json.dumps({"outputs": np.ravel(np.asarray(y)).tolist(), "gradient": flat.tolist()}), flush=True)
        else:
            print(json.dumps({"seconds": seconds}), flush=True)


class Side:
    """One variant of one side, in a process of its own."""

    def __init__(self, side: str, variant: str, threads: int) -> None:
        from environments import our_environment

        python = os.environ.get(TORCH_VARIABLE, sys.executable) if side == "torchdiffeq" else sys.executable
        variables = our_environment() | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        command = [python, __file__, "--side", side, "--variant", variant]
        if threads < (os.cpu_count() or 1) and sys.platform == "linux":
            command = ["taskset", "-c", f"0-{threads - 1}", *command]  # XLA takes the cores that it is given
        self.name = f"{side}, {variant}"
        self.process = subprocess.Popen(
            command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.start = self._answer()
        self.seconds: list[float] = []

    def ask(self, command: str) -> dict:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with exit code {self.process.wait()}")
        return json.loads(line)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/neural_ode.py", description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20, help="timed calls of each side")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        serve(options.side, options.variant)
        return 0
    sides = [Side(side, variant, options.threads) for side, variants in SIDES.items() for variant in variants]
    for _ in range(options.repeats):
        for side in sides:
            side.seconds.append(side.ask("call")["seconds"])
    return show(sides, options)


def show(sides: list[Side], options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    results = [{name: np.asarray(values) for name, values in side.ask("result").items()} for side in sides]
    table = Table(
        title=f"Gradient of an ODE network: {EXAMPLES} examples, {CHANNELS} channels, width {WIDTH}, dopri5, {TOLERANCE:g}"
    )
    for name in ("side", "gradient", "best", "compilation", "evaluations", "outputs differ", "gradients differ"):
        table.add_column(name, justify="left" if name == "side" else "right")
    median = {side.name: statistics.median(side.seconds) for side in sides}
    worst = 0.0
    for side, result in zip(sides, results, strict=True):
        differences = [
            np.linalg.norm(result[name] - results[0][name]) / np.linalg.norm(results[0][name])
            for name in ("outputs", "gradient")
        ]
        worst = max(worst, *differences)
        evaluations = ", ".join(f"{count} {name}" for name, count in side.start["evaluations"].items())
        times = (
            f"{1e3 * median[side.name]:.2f} ms",
            f"{1e3 * min(side.seconds):.2f} ms",
            f"{side.start['compile_s']:.1f} s",
        )
        table.add_row(side.name, *times, evaluations, *(f"{difference:.1g}" for difference in differences))
    console = Console(width=130)
    console.print(table)
    pairs = list(zip(SIDES["ours"], SIDES["torchdiffeq"], strict=True))
    ratios = [median[f"torchdiffeq, {theirs}"] / median[f"ours, {mine}"] for mine, theirs in pairs]
    for (mine, theirs), ratio in zip(pairs, ratios, strict=True):
        console.print(f"{mine} is {ratio:.2f} times as quick as {theirs}")
    console.print(f"all agree to {worst:.1g}; asked: {AGREEMENT:g}")
    return 0 if min(ratios) >= 1 and worst <= AGREEMENT else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
