"""docs/: commands that a page gives exist, with the options that it gives them."""

import re
import shlex

import pytest

from pipeline.cli import cli
from tests.manifests import ROOT, rendered_overlays

PAGES = ("kubernetes.md", "operations.md")


def commands(page: str) -> list[str]:
    """Returns the lines of a page's bash blocks, continued lines joined."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def headstart_calls(page: str) -> list[list[str]]:
    """Returns the arguments of each call of headstart, also of those inside of `sh -c '...'`."""
    calls = []
    for line in commands(page):
        for call in re.findall(r"(?:^|/|'|-- )headstart ((?:[a-z]+)(?: [^'#&|]*)?)", line):
            calls.append(shlex.split(call))
    return calls


@pytest.mark.parametrize("page", PAGES)
def test_pages_call_headstart_as_it_is(page):
    calls = headstart_calls(page)
    assert len(calls) >= 3
    for name, *arguments in calls:
        assert name in cli.commands, name
        options = {option for parameter in cli.commands[name].params for option in parameter.opts}
        given = {argument.partition("=")[0] for argument in arguments if argument.startswith("-")}
        assert given <= options, (name, given - options)


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_objects_that_there_are(page):
    objects = rendered_overlays()["gpu"]
    kinds = {
        "deployment": "Deployment",
        "cronjob": "CronJob",
        "svc": "Service",
        "serviceaccount": "ServiceAccount",
    }
    text = "\n".join(commands(page))
    named = re.findall(r"\b(deployment|cronjob|svc)[/ ](headstart-[a-z]+)", text)
    assert len(named) >= 5
    for kind, name in named:
        assert name in objects.of(kinds[kind]), (kind, name)
    folders = re.findall(r"kubernetes/(?:components|base|Dockerfile)[\w/-]*", text)
    assert all((ROOT / folder).exists() for folder in folders)
