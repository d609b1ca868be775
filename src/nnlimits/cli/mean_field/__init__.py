"""`nnlimits mean-field`: the experiments of the literature on networks as distributions of neurons."""

import typer

from nnlimits.cli.mean_field import chaos, gaussians, langevin, regimes, teacher

app = typer.Typer(no_args_is_help=True, help="Networks as distributions of neurons: experiments, with their figures.")
app.command("gaussians")(gaussians.gaussians)
app.command("teacher")(teacher.teacher)
app.command("langevin")(langevin.langevin)
app.command("chaos")(chaos.chaos)
app.command("regimes")(regimes.regimes)
