"""The command `headstart`: its commands, and what becomes of their errors."""

import io
import sys

import click

from pipeline import __version__
from pipeline.commands import cluster, local, models

INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns the exit code.

    0: done, and for a run: the model was pushed, or nothing has changed · 1: unexpected ·
    2: the config, the command or its input is wrong · 3: the model was not blessed ·
    4: the data was refused before training · 5: there is reason for a new run · 130: Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        # Names of files need not be text in the terminal's encoding, nor in any.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
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
      headstart prune photos.yaml        remove what the config does not keep of old runs and versions
      headstart submit photos.yaml       the same run in a cluster; schedule repeats it
    """


for command in (
    local.init,
    local.check,
    local.run,
    local.prune,
    local.list_group,
    local.doctor,
    models.predict,
    models.fresh,
    models.versions,
    models.rollback,
    models.mirror,
    cluster.compile_command,
    cluster.submit,
    cluster.schedule,
):
    cli.add_command(command)


if __name__ == "__main__":
    sys.exit(main())
