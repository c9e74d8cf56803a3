"""Commands that work on pushed models: predict, fresh, versions, rollback, mirror."""

import json
import os
import sys
import warnings

import click

from pipeline.commands.common import BAD_INPUT, CONFIG_ARGUMENT, SET_OPTION, STALE, UserError


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path())
@click.option("--model", type=click.Path(), help="Folder of a pushed model, or of numbered versions of it.")
@click.option("--config", type=click.Path(), help="Config whose newest pushed model answers.")
@click.option("--top", default=3, show_default=True, type=click.IntRange(min=1), help="Classes an image.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON an image.")
def predict(images: tuple[str, ...], model: str | None, config: str | None, top: int, as_json: bool) -> int:
    """Say what is on each IMAGE, by the newest pushed model.

    An IMAGE may be a folder or an address (s3://..., gs://...): every image below it is answered,
    by the rules of ingest (docs/data.md); what else lies there is counted on stderr. Without
    --model and --config the model pushed last below runs/ answers. Images that cannot be read are
    named, and the exit code is then 2, as for a model that cannot be used.

    \b
    Examples:
      headstart predict shirt.png coat.jpg
      headstart predict photos/new --config photos.yaml --top 1
      headstart predict shirt.png --model runs/quickstart/serving --json
    """
    from pipeline import predict as prediction
    from pipeline.served_model import find_model
    from pipeline.stopping import stopped_by_signals

    try:
        served = find_model(model, config)
        files, notes = prediction.find_images(images)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from None
    # Nothing that libraries say while they are loaded belongs among the answers: 3 leaves out errors
    # such as a GPU library registered twice; one that matters is raised.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    for note in notes:
        click.echo(note, err=True)
    unreadable, passed_over = 0, []
    try:
        with stopped_by_signals("Stopped.", descriptor=2):
            for answer in prediction.predict(served, files, top):
                if answer.is_passed_over:
                    passed_over.append(answer)
                    continue
                unreadable += answer.error is not None
                # JSON is UTF-8 (RFC 8259), whatever the terminal's encoding is.
                click.echo(
                    json.dumps(answer.as_dict(), ensure_ascii=False).encode() if as_json else str(answer)
                )
    except ValueError as error:
        raise UserError(str(error)) from None
    if passed_over:
        click.echo(prediction.passed_over_text(passed_over), err=True)
    return BAD_INPUT if unreadable else 0


@click.command()
@CONFIG_ARGUMENT
@SET_OPTION
def fresh(config: str, sets: tuple[str, ...]) -> int:
    """Say whether a run of a CONFIG would have anything new to work on.

    Compares images, config, code, the files that the config names, packages and the serving model
    with those of the last run in the output folder, here or in a cluster. A model that
    was rolled back is no reason for a new run: the same images and settings would make it again.
    Images are compared by content: those whose size or time changed, as chmod, cp and a move
    change it, are read once. The output folder remembers that; nothing else is written.

    \b
    Exit codes:
      0  nothing has changed since the last run, whose model was pushed
      3  nothing has changed since the last run, whose model was not blessed
      4  nothing has changed since the last run, whose data was refused
      5  stale: something has changed, or no run has ended with a result
      2  the config is wrong, or something that it names cannot be reached

    \b
    Examples:
      headstart fresh photos.yaml
      headstart fresh photos.yaml; [ $? -eq 5 ] && headstart submit photos.yaml
    """
    from components.image_example_gen.sources import list_images
    from pipeline import freshness, source_state
    from pipeline.config_file import load_config
    from pipeline.local_runner import exit_code_of
    from pipeline.problems import ConfigError

    try:
        loaded = load_config(config, sets)
        listing = list_images(loaded.data.source, loaded.data.format)
        found = freshness.look(loaded, source_state.fingerprint(listing, loaded.output))
    except (ConfigError, ValueError, OSError) as error:
        raise UserError(str(error)) from None
    click.echo(str(found))
    return int(exit_code_of(found.summary)) if found.is_fresh else STALE


@click.command()
@CONFIG_ARGUMENT
@SET_OPTION
def versions(config: str, sets: tuple[str, ...]) -> None:
    """List the model versions of a CONFIG: when each was pushed, how good it was, and what became of it.

    The accuracy is that on the test split of the run that made the model. Numbers are comparable
    where the test set is the same: its fingerprint stands beside each. What lies in the push
    destination without a push is named below the list.

    \b
    Example:
      headstart versions photos.yaml
    """
    from pipeline.config_file import load_config
    from pipeline.problems import ConfigError
    from pipeline.version_list import lines

    try:
        click.echo("\n".join(lines(load_config(config, sets))))
    except (ConfigError, ValueError, OSError) as error:
        raise UserError(str(error)) from None


@click.command()
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
    that makes a withdrawn model again (equal weights, or the same images, settings, files and
    code) does not push it, and ends with exit code 3. When newer code makes it again, the run
    stops as well, until a person names the version (`headstart run --because "version 7: ..."`).
    As soon as images or settings change, a new model is made, judged against the one that serves
    now, and pushed when it is blessed. A run that is under way may still push: stop it first.
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
    if done.version == done.copy_of:
        click.echo(f"Version {done.version} serves, and is not withdrawn any more.")
    else:
        click.echo(f"Version {done.version}, a copy of version {done.copy_of}, serves now.")
    if done.withdrawn:
        numbers = ", ".join(map(str, done.withdrawn))
        click.echo(f"Withdrawn, and not to be pushed again: version {numbers}.")


@click.command()
@click.argument("source")
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--every", type=click.FloatRange(min=1), metavar="SECONDS", help="Look again that often.")
@click.option("--once", is_flag=True, help="Look once and end; that is so without --every.")
@click.option(
    "--keep",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="Copies in FOLDER; the newest always stays.",
)
@click.option("--reports", is_flag=True, help="SOURCE is an output: copy its reports instead of models.")
def mirror(source: str, folder: str, every: float | None, once: bool, keep: int, reports: bool) -> int:
    """Copy pushed models from SOURCE into a local FOLDER, for a model server beside it.

    SOURCE is a push destination: a folder, s3://... or gs://... TensorFlow Serving reads folders
    only. The newest versions that are whole are copied, each whole or not at all; older copies
    are removed. A copy that was damaged is fetched anew. A version of SOURCE that is damaged or
    may not be read is passed over, with the reason, and what FOLDER holds goes on serving.

    FOLDER is the mirror's own. What it did not make there is never removed or overwritten, and
    named once. A FOLDER that is a push destination, or that holds copies of another SOURCE, is
    refused, as is one that lies in SOURCE or around it: swapped arguments change nothing. With
    --reports the same goes for the output of runs.

    With --every the command goes on until SIGTERM or Ctrl-C and reports what fails without
    ending; only a FOLDER that is refused ends it.

    \b
    Exit codes:
      0  FOLDER has the newest versions that can be copied, or there are none in SOURCE yet
      2  FOLDER was refused, or SOURCE does not exist or cannot be read

    \b
    Examples:
      headstart mirror s3://models/shoes /models/shoes
      headstart mirror s3://models/shoes /models/shoes --every 30
      headstart mirror runs/shoes/serving /models/shoes --keep 3
      headstart mirror s3://runs/shoes /srv/reports --reports --every 60
    """
    from pipeline.mirroring import explanation, follow

    if once and every:
        raise click.UsageError("--once and --every contradict each other; give one of them.")
    try:
        follow(source, folder, keep, reports, every)
    except (ValueError, OSError) as error:
        raise UserError(explanation(error)) from None
    return 0
