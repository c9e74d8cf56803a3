"""Commands that work on Kubeflow Pipelines: compile, submit, schedule."""

from pathlib import Path

import click

from pipeline.commands.common import BECAUSE_OPTION, CONFIG_ARGUMENT, SET_OPTION, UserError, quiet_tensorflow
from pipeline.kubeflow.connection_options import Flags, connection_options

PARAMETER_OPTION = click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Override a runtime parameter: data_source, push_destination, thresholds (JSON), because; may be "
    "repeated.",
)


@click.command(name="compile")
@CONFIG_ARGUMENT
@click.option(
    "--target",
    default="kfp",
    show_default=True,
    type=click.Choice(["kfp", "vertex"]),
    help="Open-source Kubeflow Pipelines (YAML), or Google's Vertex AI Pipelines (JSON).",
)
@click.option("-o", "--output", "file", required=True, type=click.Path(dir_okay=False), help="File to write.")
@SET_OPTION
def compile_command(config: str, target: str, file: str, sets: tuple[str, ...]) -> None:
    """Compile a CONFIG into the file that Kubeflow Pipelines runs.

    The section `cluster` says where and how: image, pipeline root, and for each step cpu, memory,
    accelerator, volumes, secrets, retries, timeout and cache. A linter looks at the result; with any
    finding, nothing is written and the exit code is 2. Paths inside a volume are not looked at.

    \b
    Examples:
      headstart compile pipeline/configs/kubernetes.yaml -o pipeline.yaml
      headstart compile photos.yaml -o photos.yaml --set cluster.image=registry.example.com/headstart:0.2.0
      headstart compile photos.yaml --target vertex -o photos.json
    """
    from pipeline.kubeflow.compile_file import compile_file

    quiet_tensorflow()
    try:
        lines = compile_file(config, target, Path(file), sets)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from None
    click.echo("\n".join(lines))


@click.command()
@CONFIG_ARGUMENT
@click.option("--wait", is_flag=True, help="Follow the run; the exit code tells how it ended.")
@click.option(
    "--follow", "run_id", metavar="RUN_ID", help="Start nothing: follow a run that was started before."
)
@BECAUSE_OPTION
@PARAMETER_OPTION
@SET_OPTION
@connection_options
def submit(
    config: str,
    wait: bool,
    run_id: str | None,
    because: str,
    parameters: tuple[str, ...],
    sets: tuple[str, ...],
    flags: Flags,
) -> int:
    """Start a run of a CONFIG in a cluster with Kubeflow Pipelines 2.

    Compiles the config, creates the experiment when it is missing, and prints the run's id and link.
    Ctrl-C while following leaves the run alone.

    \b
    Exit codes:
      0  the run was started; with --wait or --follow: it succeeded
      2  the config, the command or the address is wrong, or Kubeflow refused
      3  with --wait: the model was not blessed; what served before still serves
      4  with --wait: the data was refused before training
      1  with --wait: a step failed otherwise; 130: Ctrl-C

    \b
    Examples:
      headstart submit photos.yaml --host http://localhost:8888 --wait
      headstart submit photos.yaml --parameter data_source=s3://photos/2026-11 --set training.batch_size=64
      HEADSTART_KFP_HOST=http://ml-pipeline.kubeflow:8888 headstart submit photos.yaml
      headstart submit photos.yaml --because "version 7: the decoder is fixed" --wait
      headstart submit photos.yaml --follow 0f3d0c5e-6a53-4c8e-9f1c-6f1f4f1f0a55
    """
    if because:
        parameters = (*parameters, f"because={because}")
    if run_id and parameters:
        raise click.UsageError(
            "--follow starts nothing, so that --parameter and --because would have no effect."
        )
    quiet_tensorflow()
    from pipeline.kubeflow import commands

    try:
        if run_id:
            return commands.follow_run(config, sets, run_id, flags, click.echo)
        return commands.submit_run(config, sets, parameters, flags, wait, click.echo)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from None


@click.command()
@CONFIG_ARGUMENT
@click.option(
    "--cron",
    "expression",
    metavar="EXPRESSION",
    help="When: five fields, six with seconds first, @daily, every 6h.",
)
@click.option("--pause", "change", flag_value="pause", help="Start no more runs until --resume.")
@click.option(
    "--resume", "change", flag_value="resume", help="Go on after --pause; what was missed is not made up for."
)
@click.option("--delete", "change", flag_value="delete", help="Delete the schedule; its runs stay.")
@click.option("--list", "change", flag_value="list", help="List all schedules where the config's runs go.")
@click.option("--name", help="Name of the schedule; the pipeline's name by default.")
@PARAMETER_OPTION
@SET_OPTION
@connection_options
def schedule(
    config: str,
    expression: str | None,
    change: str | None,
    name: str | None,
    parameters: tuple[str, ...],
    sets: tuple[str, ...],
    flags: Flags,
) -> None:
    """Run a CONFIG again and again in a cluster: one recurring run in Kubeflow Pipelines.

    With --cron the schedule is made, or changed when the config, the code or the time has changed; the
    same call again does nothing. Without any option the schedule is shown. `headstart schedule list`
    needs no config when the address is a flag or in the environment.

    Times are UTC, unless CRON_SCHEDULE_TIMEZONE of Kubeflow's scheduledworkflow controller says
    otherwise. A run never starts while the one before still goes on. A schedule trains whether or not
    there is anything new; a CronJob with `headstart fresh` before `headstart submit` does not.

    \b
    Examples:
      headstart schedule photos.yaml --cron "0 3 * * 1"     03:00 every Monday
      headstart schedule photos.yaml --cron "every 6h" --name photos-often
      headstart schedule photos.yaml --pause
      headstart schedule list --host http://localhost:8888
    """
    if expression and change:
        raise click.UsageError(f"--cron and --{change}: give one of them.")
    if parameters and not expression:
        raise click.UsageError("--parameter goes with --cron.")
    quiet_tensorflow()
    from pipeline.kubeflow import commands

    try:
        if expression:
            commands.set_schedule(config, sets, parameters, flags, name, expression, click.echo)
        elif change == "list" or config == "list":
            commands.list_schedules(None if config == "list" else config, sets, flags, click.echo)
        else:
            commands.change_schedule(config, sets, flags, name, change or "show", click.echo)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from None
