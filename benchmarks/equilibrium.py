"""An equilibrium network against torchdeq: `python benchmarks/equilibrium.py [--examples 128 --width 64]`.

One dense cell `tanh(W z + U x + b)` with the same weights in single precision, solved by Anderson acceleration of the same memory to
the same relative residual, and the gradients of the sum of squares of the fixed points by implicit differentiation. Each side runs
in a process of its own that stays alive, and they take turns, call by call, on the same cores. Compilation is timed apart. Fixed
points and gradients are compared with those of double precision.
PyTorch and torchdeq are expected in this interpreter, or in the one that `NNLIMITS_TORCH_PYTHON` names.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

TORCH_VARIABLE = "NNLIMITS_TORCH_PYTHON"
INPUTS, MEMORY, MOST = 32, 5, 100


def problem(examples: int, width: int, gain: float) -> dict[str, np.ndarray]:
    """Weights (inputs, outputs) of a cell whose recurrent matrix has a spectral radius of about `gain`, and inputs."""
    random = np.random.default_rng(0)
    return {
        "recurrent": (gain * random.standard_normal((width, width)) / np.sqrt(width)).astype(np.float32),
        "injection": (random.standard_normal((INPUTS, width)) / np.sqrt(INPUTS)).astype(np.float32),
        "bias": (0.1 * random.standard_normal(width)).astype(np.float32),
        "x": random.standard_normal((examples, INPUTS)).astype(np.float32),
    }


def exact(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Fixed points and gradients in double precision, by Newton's method and the Jacobian written out."""
    recurrent, injection, bias, x = (given[name].astype(float) for name in ("recurrent", "injection", "bias", "x"))
    drive, identity = x @ injection + bias, np.eye(len(recurrent))
    z = np.zeros_like(drive)
    for _ in range(200):  # a contraction on average: plain iteration comes near, Newton's method finishes
        z = np.tanh(z @ recurrent + drive)
    for _ in range(5):
        image = np.tanh(z @ recurrent + drive)
        slope = 1 - image**2
        z = z + np.linalg.solve(identity - slope[:, :, None] * recurrent.T, (image - z)[..., None])[..., 0]
    slope = 1 - np.tanh(z @ recurrent + drive) ** 2
    adjoint = np.linalg.solve(identity - np.swapaxes(slope[:, :, None] * recurrent.T, 1, 2), 2 * z[..., None])[..., 0]
    pulled = slope * adjoint
    return {
        "z": z,
        "recurrent": z.T @ pulled,
        "injection": x.T @ pulled,
        "bias": pulled.sum(0),
        "x": pulled @ injection.T,
    }


def ours(given: dict[str, np.ndarray], tolerance: float):
    """A function that computes all, and what it has compiled in how many seconds."""
    import jax
    import jax.numpy as jnp

    from nnlimits import nn

    width = len(given["bias"])
    cell = nn.Cell(nn.Dense(width, b_std=None), nn.Dense(width, b_std=1.0))
    layer = nn.Sequential(
        nn.Equilibrium(cell, tolerance=tolerance, memory=MEMORY, max_steps=MOST), parameterization="standard"
    )
    params = (
        {
            "recurrent": {"weight": given["recurrent"]},
            "injection": {"weight": given["injection"], "bias": given["bias"]},
        },
    )
    params, x = jax.tree.map(jnp.asarray, params), jnp.asarray(given["x"])

    def loss(params, x):
        with nn.reporting() as reports:
            z = layer.apply(params, x)
        return jnp.sum(z**2), (z, reports[0].statistics["evaluations"])

    start = time.perf_counter()
    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)).lower(params, x).compile()
    seconds = time.perf_counter() - start

    def call():
        (_, (z, evaluations)), ((of_params,), of_x) = jax.block_until_ready(compiled(params, x))
        injection = of_params["injection"]
        gradients = {"recurrent": of_params["recurrent"]["weight"], "injection": injection["weight"]}
        return {"z": z, **gradients, "bias": injection["bias"], "x": of_x, "evaluations": evaluations}

    return call, seconds


def torchdeq(given: dict[str, np.ndarray], tolerance: float):
    """The same by torchdeq."""
    import torch
    from torchdeq import get_deq

    leaves = {name: torch.from_numpy(given[name]).requires_grad_() for name in ("recurrent", "injection", "bias", "x")}
    solve = {"tol": tolerance, "stop_mode": "rel", "max_iter": MOST, "solver": "anderson"}
    deq = get_deq(ift=True, **{f"{side}_{name}": value for side in "fb" for name, value in solve.items()})
    settings = {"m": MEMORY + 1, "lam": 1e-6}  # its memory counts points, ours secants

    def call():
        for leaf in leaves.values():
            leaf.grad = None
        recurrent, drive = leaves["recurrent"], leaves["x"] @ leaves["injection"] + leaves["bias"]
        (z,), info = deq(lambda z: torch.tanh(z @ recurrent + drive), torch.zeros_like(drive), solver_kwargs=settings)
        (z**2).sum().backward()
        gradients = {name: leaf.grad.numpy() for name, leaf in leaves.items()}
        return {"z": z.detach().numpy(), **gradients, "evaluations": int(info["nstep"].max())}

    return call, 0.0


SIDES = {"ours": ours, "torchdeq": torchdeq}


def serve(side: str, path: str, tolerance: float) -> None:
    """Make the calls that the parent process asks for, one a line, and answer with their seconds."""
    given = dict(np.load(path))
    call, compilation = SIDES[side](given, tolerance)
    found = {name: np.asarray(value) for name, value in call().items()}
    np.savez(pathlib.Path(path).with_name(f"{side}.npz"), **found)
    print(json.dumps(compilation), flush=True)
    for line in sys.stdin:
        laps = []
        for _ in range(int(line)):
            start = time.perf_counter()
            call()
            laps.append(time.perf_counter() - start)
        print(json.dumps(laps), flush=True)


def started(side: str, path: pathlib.Path, options: argparse.Namespace) -> subprocess.Popen:
    """One side in a fresh process."""
    from environments import our_environment

    threads = str(options.threads)
    python = os.environ.get(TORCH_VARIABLE, sys.executable) if side == "torchdeq" else sys.executable
    command = [python, __file__, "--side", side, "--problem", str(path), "--tolerance", str(options.tolerance)]
    if options.threads < len(os.sched_getaffinity(0)):
        command = ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[: options.threads])), *command]
    variables = our_environment() | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    return subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def asked(process: subprocess.Popen, line: str = "") -> object:
    """The answer of one side."""
    assert process.stdin is not None
    assert process.stdout is not None
    if line:
        process.stdin.write(line + "\n")
        process.stdin.flush()
    return json.loads(process.stdout.readline())


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/equilibrium.py", description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=128)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--gain", type=float, default=0.8, help="spectral radius of the recurrent matrix")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="relative residual, of both solves")
    parser.add_argument("--repeats", type=int, default=30, help="turns of each side, of three calls each")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--problem", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        serve(options.side, options.problem, options.tolerance)
        return 0
    given = problem(options.examples, options.width, options.gain)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "problem.npz"
        np.savez(path, **given)  # pyright: ignore[reportArgumentType]
        processes = {side: started(side, path, options) for side in SIDES}
        compilation = {side: asked(process) for side, process in processes.items()}
        laps: dict[str, list[float]] = {side: [] for side in SIDES}
        for _ in range(options.repeats):
            for side, process in processes.items():
                laps[side] += asked(process, "3")  # pyright: ignore[reportOperatorIssue]
        for process in processes.values():
            process.communicate()
        found = {side: dict(np.load(path.with_name(f"{side}.npz"))) for side in SIDES}
    return show(given, found, laps, compilation, options)


def show(given: dict, found: dict, laps: dict, compilation: dict, options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    truth = exact(given)
    errors = {
        side: {name: np.linalg.norm(values[name] - truth[name]) / np.linalg.norm(truth[name]) for name in truth}
        for side, values in found.items()
    }
    heading = f"{options.examples} examples, width {options.width}, tolerance {options.tolerance:g}, {options.threads} threads"
    table = Table(title=heading)
    names = ("side", "median", "best", "compilation", "evaluations", "error of z", "worst error of a gradient")
    for name in names:
        table.add_column(name, justify="left" if name == "side" else "right")
    for side, times in laps.items():
        gradients = max(error for name, error in errors[side].items() if name != "z")
        table.add_row(
            side,
            f"{1e3 * statistics.median(times):.3f} ms",
            f"{1e3 * min(times):.3f} ms",
            f"{compilation[side]:.1f} s" if compilation[side] else "-",
            f"{int(found[side]['evaluations'])}",
            f"{errors[side]['z']:.1e}",
            f"{gradients:.1e}",
        )
    console = Console()
    console.print(table)
    ratio = statistics.median(laps["ours"]) / statistics.median(laps["torchdeq"])
    console.print(f"ours / torchdeq: {ratio:.2f} (medians), {min(laps['ours']) / min(laps['torchdeq']):.2f} (best)")
    agree = max(max(of_side.values()) for of_side in errors.values()) < 100 * options.tolerance
    if not agree:
        console.print("the sides do not agree with double precision to 100 times the tolerance")
    return 0 if agree and ratio <= 1 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
