"""The command `headstart`. Every command imports what it needs itself, so that --help answers at once."""

import json
import os
import shlex
import sys
import warnings
from pathlib import Path

import click

from pipeline import __version__
from pipeline.kubeflow.connection_options import Flags, connection_options

UNEXPECTED, BAD_INPUT, STALE, INTERRUPTED = 1, 2, 5, 130

CONFIG_ARGUMENT = click.argument("config", type=click.Path())
SET_OPTION = click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override one value of the config; may be repeated. A relative path here is relative to the "
    "working directory, one in the config to the config.",
)

PARAMETER_OPTION = click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Override a runtime parameter: data_source, push_destination, thresholds (JSON); may be repeated.",
)


class UserError(click.ClickException):
    """A mistake of the user, shown without a traceback."""

    exit_code = BAD_INPUT


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns the exit code.

    0: done, and for a run: the model was pushed, or nothing has changed · 1: unexpected ·
    2: the config, the command or its input is wrong · 3: the model was not blessed ·
    4: the data was refused before training · 5: there is reason for a new run · 130: Ctrl-C.
    """
    try:
        return cli.main(arguments, prog_name="headstart", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return INTERRUPTED


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="Headstart %(version)s")
def cli() -> None:
    """Retrain an image classifier by transfer learning: ingest, train, judge, push, report.

    \b
    Examples:
      headstart init photos/             write a config for your folder of images
      headstart check photos.yaml        see what is wrong, in a second
      headstart run photos.yaml          train, evaluate, push; writes a report
      headstart predict cat.jpg --config photos.yaml
    """


@cli.command()
@click.argument("folder", type=click.Path(exists=True))
@click.option("-o", "--output", "file", type=click.Path(dir_okay=False), help="Config file to write.")
@click.option("--force", is_flag=True, help="Overwrite the config file when it exists.")
def init(folder: str, file: str | None, force: bool) -> None:
    """Write a commented config that fits a FOLDER of images.

    FOLDER holds a folder a class, or train/ and test/ folders with those inside; a CSV manifest
    (path,label[,split]) is welcome as well. Without -o the config is named after the folder.

    \b
    Examples:
      headstart init photos/
      headstart init photos/ -o configs/photos.yaml --force
    """
    from pipeline.init_config import write_config

    try:
        written = write_config(folder, file, force)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from None
    click.echo(f"Wrote {written.file}: {written.summary}.")
    for note in written.notes:
        click.echo(f"  note: {note}")
    argument = shlex.quote(str(written.file))
    click.echo(f"Next: headstart check {argument} && headstart run {argument}")


@cli.command()
@CONFIG_ARGUMENT
@SET_OPTION
def check(config: str, sets: tuple[str, ...]) -> None:
    """Check a CONFIG and everything it names, without training.

    Keys, values, paths, image size, recipe, classes, images a split, disk space. All problems are
    listed at once; the exit code is 2 when there is any.

    \b
    Examples:
      headstart check photos.yaml
      headstart check photos.yaml --set training.recipe=feature_extraction
    """
    from pipeline.check_summary import summarise

    loaded, checkup = _load_and_check(config, sets)
    click.echo(summarise(loaded, checkup))
    click.echo(f"{config} is ready. Next: {shlex.join(['headstart', 'run', config, *_set_arguments(sets)])}")


@cli.command()
@CONFIG_ARGUMENT
@SET_OPTION
def run(config: str, sets: tuple[str, ...]) -> int:
    """Run the pipeline that a CONFIG describes, on this machine.

    What is finished is kept: the same command continues after Ctrl-C or a crash, and does nothing
    when nothing has changed.

    \b
    Exit codes:
      0  the model was pushed, or nothing has changed
      2  the config or the command is wrong
      3  the model was not blessed; what served before still serves
      4  the data was refused before training
      1  something unexpected; 130: Ctrl-C

    \b
    Examples:
      headstart run pipeline/configs/quickstart.yaml
      headstart run photos.yaml --set training.recipe.fine_tuning.epochs=20 --set training.batch_size=64
      headstart run photos.yaml --set output=runs/second_try
    """
    loaded, checkup = _load_and_check(config, sets)
    # TensorFlow's C++ parts read it when they are loaded; 2 leaves out notes and warnings.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from modules.storage import StorageError
    from pipeline import local_runner, output_lock

    try:
        return int(local_runner.run(loaded, checkup.listing.fingerprint()))
    except (output_lock.OutputInUse, ConnectionError, StorageError) as error:
        raise UserError(str(error)) from None


@cli.command()
@CONFIG_ARGUMENT
@SET_OPTION
def fresh(config: str, sets: tuple[str, ...]) -> int:
    """Say whether a run of a CONFIG would have anything new to work on.

    Compares images, config, code, the files that the config names, packages and the serving model
    with those of the last finished run in the output folder, here or in a cluster. A model that
    was rolled back is no reason for a new run: the same images and settings would make it again.
    Images are compared by name, size and time; no image is read, and nothing is written.

    \b
    Exit codes:
      0  fresh: nothing has changed
      5  stale: something has changed, or no run has finished yet
      2  the config is wrong, or something that it names cannot be reached

    \b
    Examples:
      headstart fresh photos.yaml
      headstart fresh photos.yaml; [ $? -eq 5 ] && headstart submit photos.yaml
    """
    from components.image_example_gen.sources import list_images
    from pipeline import freshness
    from pipeline.config_file import load_config
    from pipeline.problems import ConfigError

    try:
        loaded = load_config(config, sets)
        listing = list_images(loaded.data.source, loaded.data.format)
        found = freshness.look(loaded, listing.fingerprint())
    except (ConfigError, ValueError, OSError) as error:
        raise UserError(str(error)) from None
    click.echo(str(found))
    return 0 if found.is_fresh else STALE


@cli.command(name="compile")
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

    _quiet_tensorflow()
    try:
        lines = compile_file(config, target, Path(file), sets)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from None
    click.echo("\n".join(lines))


@cli.command()
@CONFIG_ARGUMENT
@click.option("--to", type=click.IntRange(min=0), metavar="VERSION", help="The version to go back to.")
@click.option("--list", "only_list", is_flag=True, help="Only list the versions that there are.")
@SET_OPTION
def rollback(config: str, to: int | None, only_list: bool, sets: tuple[str, ...]) -> None:
    """Let an older version of the model serve again.

    Without --to it is the newest one before the serving version that is another model and was not
    rolled back itself. The older version is pushed again, as a copy with a new number, so that
    model servers, the next run and `fresh` agree that the newest number serves.

    What happens next: models newer than the one gone back to are withdrawn. `fresh` calls a
    rollback no reason to train, so a schedule that asks it first leaves everything alone. A run
    that makes the very same model again ends as not blessed, and the model that serves goes on.
    As soon as images, config or code change, a new model is made, judged against the one that
    serves now, and pushed when it is blessed. A schedule that trains without asking `fresh` may
    train an equally bad model that is not the same byte for byte: pause it until the cause is
    mended (`headstart schedule --pause`). A run that is under way may still push: stop it first.
    To let a withdrawn model serve after all, go back to it with --to.

    \b
    Examples:
      headstart rollback photos.yaml --list
      headstart rollback photos.yaml
      headstart rollback photos.yaml --to 3
    """
    from components.pusher.rollback import rollback as roll_back
    from pipeline.config_file import load_config
    from pipeline.problems import ConfigError
    from pipeline.version_list import lines

    try:
        loaded = load_config(config, sets)
        if only_list:
            click.echo("\n".join(lines(loaded)))
            return
        done = roll_back(loaded.push.destination, to)
    except (ConfigError, ValueError, OSError) as error:
        raise UserError(str(error)) from None
    click.echo(f"Version {done.version}, a copy of version {done.copy_of}, serves now.")
    if done.withdrawn:
        numbers = ", ".join(map(str, done.withdrawn))
        click.echo(f"Withdrawn, and not to be pushed again: version {numbers}.")


@cli.command()
@CONFIG_ARGUMENT
@click.option("--wait", is_flag=True, help="Follow the run; the exit code tells how it ended.")
@click.option(
    "--follow", "run_id", metavar="RUN_ID", help="Start nothing: follow a run that was started before."
)
@PARAMETER_OPTION
@SET_OPTION
@connection_options
def submit(
    config: str,
    wait: bool,
    run_id: str | None,
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
      headstart submit photos.yaml --follow 0f3d0c5e-6a53-4c8e-9f1c-6f1f4f1f0a55
    """
    if run_id and parameters:
        raise click.UsageError("--follow starts nothing, so that --parameter would have no effect.")
    _quiet_tensorflow()
    from pipeline.kubeflow import commands

    try:
        if run_id:
            return commands.follow_run(config, sets, run_id, flags, click.echo)
        return commands.submit_run(config, sets, parameters, flags, wait, click.echo)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from None


@cli.command()
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
    _quiet_tensorflow()
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


@cli.command()
@click.argument("source")
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--every", type=click.FloatRange(min=1), metavar="SECONDS", help="Look again that often.")
@click.option("--once", is_flag=True, help="Look once and end; that is so without --every.")
@click.option(
    "--keep", default=2, show_default=True, type=click.IntRange(min=1), help="Versions in the folder."
)
@click.option("--reports", is_flag=True, help="SOURCE is an output: copy its reports instead of models.")
def mirror(source: str, folder: str, every: float | None, once: bool, keep: int, reports: bool) -> int:
    """Copy pushed models from SOURCE into a local FOLDER, for a model server beside it.

    SOURCE is a push destination: a folder, s3://... or gs://... TensorFlow Serving reads folders
    only. The newest versions are copied, each whole or not at all; older ones are removed. While
    SOURCE cannot be read, or is empty, what FOLDER holds stays. With --every the command goes on
    until SIGTERM or Ctrl-C and reports what fails without ending.

    \b
    Examples:
      headstart mirror s3://models/shoes /models/shoes
      headstart mirror s3://models/shoes /models/shoes --every 30
      headstart mirror s3://runs/shoes /srv/reports --reports --every 60
    """
    from pipeline.mirroring import follow

    if once and every:
        raise click.UsageError("--once and --every contradict each other; give one of them.")
    try:
        follow(source, folder, keep, reports, every)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from None
    return 0


@cli.group(name="list")
def list_group() -> None:
    """List what a config can name.

    \b
    Examples:
      headstart list backbones
      headstart list recipes
    """


@list_group.command()
def backbones() -> None:
    """List the backbones: name, native image size, preprocessing.

    \b
    Example:
      headstart list backbones | grep EfficientNet
    """
    from modules.backbones import BACKBONES

    click.echo(f"{'backbone':20} {'native px':>9} {'smallest px':>11}  preprocessing")
    for backbone in BACKBONES.values():
        sizes = f"{backbone.native_image_size:>9} {backbone.min_image_size:>11}"
        click.echo(f"{backbone.name:20} {sizes}  {backbone.preprocessing}")


@list_group.command()
def recipes() -> None:
    """List the ready recipes and when to use each.

    \b
    Example:
      headstart list recipes
    """
    from pipeline.recipes import recipe_names, recipe_summary

    for name in recipe_names():
        click.echo(f"{name:20} {recipe_summary(name)}")


@cli.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path())
@click.option("--model", type=click.Path(), help="Folder of a pushed model, or of numbered versions of it.")
@click.option("--config", type=click.Path(), help="Config whose newest pushed model answers.")
@click.option("--top", default=3, show_default=True, type=click.IntRange(min=1), help="Classes an image.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON an image.")
def predict(images: tuple[str, ...], model: str | None, config: str | None, top: int, as_json: bool) -> int:
    """Say what is on each IMAGE, by the newest pushed model.

    An IMAGE may be a folder: every image below it is answered. Without --model and --config the
    model pushed last below runs/ answers. Images that cannot be read are named, and the exit code
    is then 2.

    \b
    Examples:
      headstart predict shirt.png coat.jpg
      headstart predict photos/new --config photos.yaml --top 1
      headstart predict shirt.png --model runs/quickstart/serving --json
    """
    from pipeline import predict as prediction

    try:
        served = prediction.find_model(model, config)
        files = prediction.find_images(images)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from None
    # Nothing that libraries say while they are loaded belongs among the answers: 3 leaves out errors
    # such as a GPU library registered twice; one that matters is raised.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    unreadable = 0
    try:
        for answer in prediction.predict(served, files, top):
            unreadable += answer.error is not None
            click.echo(json.dumps(answer.as_dict(), ensure_ascii=False) if as_json else str(answer))
    except ValueError as error:
        raise UserError(str(error)) from None
    return BAD_INPUT if unreadable else 0


@cli.command()
@click.option("--offline", is_flag=True, help="Do not try to reach the server of Keras' weights.")
def doctor(offline: bool) -> int:
    """Say what fits on this machine and what does not.

    Python, packages, memory, disk, GPU, C library, weights. The exit code is 2 when runs cannot
    work here.

    \b
    Examples:
      headstart doctor
      headstart doctor --offline
    """
    from pipeline.doctor import examine

    findings = examine(Path.cwd(), ask_network=not offline)
    for finding in findings:
        click.echo(str(finding))
    return BAD_INPUT if any(finding.verdict == "fails" for finding in findings) else 0


def _quiet_tensorflow() -> None:
    """Leaves out what libraries say while they are loaded: it is no news of a pipeline that is compiled."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def _set_arguments(sets: tuple[str, ...]) -> list[str]:
    return [part for override in sets for part in ("--set", override)]


def _load_and_check(config: str, sets: tuple[str, ...]):
    """Returns the complete Config and what `check` found; ends the command when there is any problem."""
    from pipeline.check import check_config
    from pipeline.config_file import load_config
    from pipeline.problems import ConfigError

    try:
        loaded = load_config(config, sets)
        checkup = check_config(loaded)
        if checkup.problems:
            raise ConfigError(config, checkup.problems)
    except ConfigError as error:
        raise UserError(str(error)) from None
    return loaded, checkup


if __name__ == "__main__":
    sys.exit(main())
