"""Tells a command or an address how a run ended. What goes wrong with that never changes the run.

The body of the POST, and the command's standard input, is one JSON object:

    pipeline   name of the config
    run_id     of the run; null when it ended before it had one
    outcome    one of `components.report.summary.Outcome`
    text       what happened, in one sentence for people; chats show a key of this name
    report     path or address of the run's report.html; null when it wrote none
    summary    of its summary.json, likewise

The command finds the same in HEADSTART_PIPELINE, HEADSTART_RUN_ID, ... (empty for null).
"""

import contextlib
import json
import logging
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from components.report.publish import HISTORY, PAGE, SUMMARY
from components.report.summary import Outcome, Summary
from modules.printable import printable
from modules.storage import explained, location
from pipeline.config import Config
from pipeline.notify_config import Notify

LONGEST_TEXT = 500  # characters; errors of libraries may be pages long

logger = logging.getLogger("headstart.notify")


class _NotSent(Exception):
    """Why a notification did not arrive. The text never holds the address."""


def notify(config: Config, run_id: str | None, outcome: Outcome, sentence: str) -> None:
    """Tells whom the config names how a run ended, when it asks for such an outcome. Raises nothing.

    What goes wrong is one line on the terminal and in the log.

    Args:
      config: complete.
      run_id: of the run; None when it ended before it had one.
      outcome: of the run.
      sentence: what happened, for people.
    """
    if config.notify is None or outcome not in config.notify.on:
        return
    try:
        failed = _tell(config.notify, _message(config, run_id, outcome, sentence))
    except Exception as error:  # whatever it is, the run has ended as it has; its text may hold the address
        failed = [type(error).__name__]
    for reason in failed:
        logger.warning("Nobody was notified of %r: %s", outcome, reason)


def _message(config: Config, run_id: str | None, outcome: Outcome, sentence: str) -> dict:
    sentence = printable(" ".join(sentence.split()), one_line=True)
    if len(sentence) > LONGEST_TEXT:
        sentence = f"{sentence[: LONGEST_TEXT - 1]}…"
    return {
        "pipeline": config.name,
        "run_id": run_id,
        "outcome": outcome,
        "text": f"{config.name}: {sentence}",
        "report": _published(config.output, run_id, PAGE),
        "summary": _published(config.output, run_id, SUMMARY),
    }


def _tell(settings: Notify, message: dict) -> list[str]:
    """Runs the command and posts to the address, as far as they are set; returns why either failed."""
    failed = []
    for is_set, send in ((settings.command, _run_command), (settings.url_env, _post)):
        try:
            if is_set:
                send(settings, message)
        except _NotSent as error:
            failed.append(str(error))
    return failed


@contextlib.contextmanager
def failures_notified(config: Config, run_id: str | None = None) -> Iterator[None]:
    """Notifies of an error that ends a run outside of its steps; the error passes."""
    try:
        yield
    except Exception as error:
        notify(config, run_id, "failed", f"the run failed: {error}")
        raise


def ending_of(summary: Summary) -> tuple[Outcome, str]:
    """Returns outcome and sentence of a run that ended."""
    reasons = " ".join(summary.reasons)
    if not summary.is_judged:
        ended = "stopped the run" if summary.outcome == "data_refused" else "failed"
        return summary.outcome, f"{summary.step or 'the run'} {ended}: {reasons}"
    accuracy = summary.accuracy
    measured = (
        f"accuracy {accuracy['value']:.1%} ({accuracy['low']:.1%} to {accuracy['high']:.1%}, "
        f"n = {accuracy['n']:,})"
    )
    happened = {
        "pushed": f"version {summary.pushed_version} was pushed and serves now",
        "unchanged": f"version {summary.pushed_version} is this very model and goes on serving",
        "judged": "the model was judged, and not to be pushed",
        "not_blessed": "the model was not blessed",
        "withdrawn": "the model was rolled back before, and not pushed again",
    }[summary.outcome]
    return summary.outcome, f"{happened}; {measured}.{f' {reasons}' if reasons else ''}"


def notes(settings: Notify | None) -> list[str]:
    """Returns what keeps this machine from notifying; another one may run the pipeline."""
    if settings is None:
        return []
    found = []
    if settings.url_env and not os.environ.get(settings.url_env, "").strip():
        found.append(f"notify.url_env: {settings.url_env} is not set here; without it nothing is posted")
    if settings.command and shutil.which(program := shlex.split(settings.command)[0]) is None:
        found.append(f"notify.command: there is no command {program} here; without it nobody is told")
    return found


def _published(output: str, run_id: str | None, name: str) -> str | None:
    """Returns the place of a run's report or summary; None when there is none, or nobody can say."""
    if run_id is None:
        return None
    try:
        file = location(output) / HISTORY / run_id / name
        with explained(file):
            return str(file) if file.exists() else None
    except OSError:
        return None


def _run_command(settings: Notify, message: dict) -> None:
    words = shlex.split(settings.command)
    facts = {f"HEADSTART_{key.upper()}": value or "" for key, value in message.items()}
    with tempfile.TemporaryFile() as given:
        given.write(json.dumps(message).encode())
        given.seek(0)
        try:
            # What it prints may hold the address. In a session of its own, so that all of it can be ended.
            process = subprocess.Popen(
                words,
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | facts,
                start_new_session=True,
            )
        except OSError as error:
            raise _NotSent(f"notify.command: {words[0]} cannot be run: {error.strerror}") from None
        try:
            code = process.wait(settings.timeout_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise _NotSent(
                f"notify.command: {words[0]} did not end within {settings.timeout_seconds:g} s"
            ) from None
    if code:
        raise _NotSent(f"notify.command: {words[0]} ended with exit code {code}")


def _post(settings: Notify, message: dict) -> None:
    name = settings.url_env
    address = os.environ.get(name, "").strip()
    if not address:
        raise _NotSent(f"notify.url_env: {name} is not set")
    if not _is_address(address):
        raise _NotSent(f"notify.url_env: {name} does not hold an address with http:// or https://")
    import requests  # noqa: F401 - before the clock runs

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it logs the path of what it asks for
    answers = []
    # A thread, because a name that is being looked up or an answer that drips in knows no time limit.
    thread = threading.Thread(
        target=lambda: answers.append(_answer(address, message, settings.timeout_seconds)), daemon=True
    )
    thread.start()
    thread.join(settings.timeout_seconds)
    answer = answers[0] if answers else f"did not answer within {settings.timeout_seconds:g} s"
    if answer is not None:
        raise _NotSent(f"the address in {name} {answer}")


def _answer(address: str, message: dict, timeout_seconds: float) -> str | None:
    """Posts the message; returns None when it arrived, else what the address did, without naming it."""
    import requests

    try:
        with requests.post(
            address, json=message, timeout=timeout_seconds, allow_redirects=False, stream=True
        ) as response:
            status = response.status_code
    except requests.Timeout:
        return f"did not answer within {timeout_seconds:g} s"
    except requests.exceptions.SSLError:
        return "has a certificate that is not trusted here (REQUESTS_CA_BUNDLE names a file of others)"
    except requests.ConnectionError:
        return "cannot be reached, or ended the connection"
    except Exception as error:  # its text may hold the address
        return f"cannot be posted to ({type(error).__name__})"
    if 300 <= status < 400:
        return f"answered {status}, a redirect; it is not followed, because the address is a secret"
    return None if 200 <= status < 300 else f"answered {status}"


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port that is not a number
        return False
