"""Commands that work on this machine: init, check, run, prune, list, doctor."""

import contextlib
import os
import shlex
from pathlib import Path

import click

from pipeline.commands.common import (
    BAD_INPUT,
    BECAUSE_OPTION,
    CONFIG_ARGUMENT,
    SET_OPTION,
    UserError,
    checked,
    load,
    set_arguments,
)


@click.command()
@click.argument("folder")
@click.option("-o", "--output", "file", type=click.Path(dir_okay=False), help="Config file to write.")
@click.option("--force", is_flag=True, help="Overwrite the config file when it exists.")
def init(folder: str, file: str | None, force: bool) -> None:
    """Write a commented config that fits a FOLDER of images.

    FOLDER holds a folder a class, or train/ and test/ folders with those inside; a CSV manifest
    (path,label[,split]) is welcome as well. It may lie in an object store, as s3://BUCKET/PHOTOS.
    Without -o the config is named after the folder.

    \b
    Examples:
      headstart init photos/
      headstart init photos/ -o configs/photos.yaml --force
      headstart init s3://bucket/photos
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


@click.command()
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

    loaded = load(config, sets)
    checkup = checked(config, loaded)
    click.echo(summarise(loaded, checkup))
    click.echo(f"{config} is ready. Next: {shlex.join(['headstart', 'run', config, *set_arguments(sets)])}")


@click.command()
@CONFIG_ARGUMENT
@click.option(
    "--no-push", is_flag=True, help="Judge the model against the one that serves, and push nothing."
)
@BECAUSE_OPTION
@SET_OPTION
def run(config: str, no_push: bool, because: str, sets: tuple[str, ...]) -> int:
    """Run the pipeline that a CONFIG describes, on this machine.

    What is finished is kept: the same command continues after Ctrl-C or a crash, and does nothing
    when nothing has changed: it says again how the last run ended, with the same exit code. Each
    run that ends leaves a report and summary.json in the output folder, also a refused or failed one.

    \b
    Exit codes:
      0  the model was pushed, or nothing has changed; with --no-push: it is blessed
      2  the config or the command is wrong, or a disk is full
      3  the model was not blessed; what served before still serves
      4  the data was refused before training
      1  something unexpected; 130: Ctrl-C

    \b
    Examples:
      headstart run pipeline/configs/quickstart.yaml
      headstart run photos.yaml --set training.recipe.fine_tuning.epochs=20 --set training.batch_size=64
      headstart run photos.yaml --set output=runs/second_try
      headstart run photos.yaml --no-push            the next run without it pushes, and trains nothing
      headstart run photos.yaml --because "version 7: the decoder is fixed"
    """
    from pipeline.notify import failures_notified

    loaded = load(config, sets)
    with failures_notified(loaded):
        checkup = checked(config, loaded)
    # TensorFlow's C++ parts read it when they are loaded; 2 leaves out notes and warnings.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from modules.storage import StorageError
    from pipeline import local_runner, output_lock, source_state
    from pipeline.full_disk import DiskFull

    try:
        fingerprint = source_state.fingerprint(checkup.listing, loaded.output)
        return int(local_runner.run(loaded, fingerprint, because, push=not no_push))
    except (output_lock.OutputInUse, ConnectionError, StorageError, DiskFull) as error:
        raise UserError(str(error)) from None


@click.command()
@CONFIG_ARGUMENT
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@SET_OPTION
def prune(config: str, dry_run: bool, sets: tuple[str, ...]) -> int:
    """Remove what the section `keep` of a CONFIG does not keep, with the size of each.

    Of old runs: artifacts, reports, logs, TensorBoard folders. Of old versions: all but what serves,
    what `headstart rollback` would go back to, the baseline of the newest run, withdrawn models, and
    what rollbacks copied. The newest run, the newest finished one and the reports of the versions
    that stay are left alone, and so is everything that Headstart did not make. Each run on this
    machine does the same at its end when `keep` is set.

    \b
    Exit codes:
      0  done, or nothing was old
      2  the config is wrong or keeps everything, a run is under way, or something cannot be removed

    \b
    Examples:
      headstart prune photos.yaml --dry-run
      headstart prune photos.yaml
      headstart prune photos.yaml --set keep.runs=5 --set keep.versions=3
    """
    from modules.storage import is_remote
    from pipeline import output_lock
    from pipeline import prune as pruning

    loaded = load(config, sets)
    if not loaded.keep.is_set:
        raise UserError(
            f"keep: {config} keeps everything. Set keep.runs, keep.versions or keep.days in it, or here: "
            "--set keep.runs=5"
        )
    # Of an output at an address nobody holds a lock; its runs are in a cluster, and write only what is new.
    is_lockable = not is_remote(loaded.output) and Path(loaded.output).is_dir()
    lock = output_lock.exclusive(Path(loaded.output)) if is_lockable else contextlib.nullcontext()
    try:
        with lock:
            failed = pruning.prune(loaded, click.echo, dry_run)
    except (output_lock.OutputInUse, ValueError, OSError) as error:
        raise UserError(str(error)) from None
    return BAD_INPUT if failed else 0


@click.group(name="list")
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


@click.command()
@click.option("--offline", is_flag=True, help="Do not try to reach the server of Keras' weights.")
def doctor(offline: bool) -> int:
    """Say what fits on this machine and what does not.

    Python, packages, memory, disk, GPU, C library, weights. Where there is a GPU, TensorFlow is asked
    whether it sees it, which takes some seconds. The exit code is 2 when runs cannot work here.

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
