"""`nnlimits mean-field`: the experiments of the literature on networks as distributions of neurons."""

import typer

from nnlimits.cli.mean_field import chaos, digits, gaussians, langevin, layers, refinement, regimes, teacher

app = typer.Typer(no_args_is_help=True, help="Networks as distributions of neurons: experiments, with their figures.")
app.command("gaussians")(gaussians.gaussians)
app.command("teacher")(teacher.teacher)
app.command("langevin")(langevin.langevin)
app.command("layers")(layers.layers)
app.command("digits")(digits.digits)
app.command("refinement")(refinement.refinement)
app.command("chaos")(chaos.chaos)
app.command("regimes")(regimes.regimes)
