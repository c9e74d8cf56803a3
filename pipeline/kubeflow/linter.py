"""Looks for what the backend would refuse or silently ignore in a compiled pipeline.

Loading a file with the kfp package is a weak check: it accepts tasks that refer to parameters nobody
declares, and much that the backend drops without a word. Each rule here stands for such a case.
"""

from collections.abc import Iterator
from typing import Literal

from pipeline.cluster_values import PIPELINE_ROOT_SCHEMES, pipeline_root_fault
from pipeline.kubeflow.lint_executors import executor_findings
from pipeline.kubeflow.lint_finding import Finding
from pipeline.kubeflow.lint_graph import graph_findings
from pipeline.kubeflow.lint_platform import platform_findings

SCHEMA_VERSION = "2.1.0"
ROOT_SCHEMES = {"kfp": PIPELINE_ROOT_SCHEMES, "vertex": ("gs",)}


class LintError(ValueError):
    """A compiled pipeline would not do what it says.

    Args:
      findings: at least one.
    """

    def __init__(self, findings: list[Finding]):
        self.findings = findings
        count = "1 fault" if len(findings) == 1 else f"{len(findings)} faults"
        lines = [f"the compiled pipeline has {count}", *(f"  {finding}" for finding in findings)]
        super().__init__("\n".join(lines))


def lint(spec: dict, platform: dict, target: Literal["kfp", "vertex"]) -> list[Finding]:
    """Returns every fault found in a compiled pipeline, in the same order each time.

    Args:
      spec: PipelineSpec as JSON.
      platform: PlatformSpec as JSON; empty when there is none.
      target: kfp for open-source Kubeflow Pipelines, vertex for Google's.
    """
    unreadable = list(_key_findings(spec, platform))
    if unreadable:  # the other rules go through documents of the right form
        return unreadable
    findings = list(_document_findings(spec, target))
    findings += graph_findings(spec)
    findings += executor_findings(spec, target)
    findings += platform_findings(spec, platform, target)
    return findings


def _key_findings(spec: dict, platform: dict) -> Iterator[Finding]:
    """Compares all keys and types with the protocol buffers that the backend reads the document into."""
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    parts = (
        ("pipeline spec", spec, pipeline_spec_pb2.PipelineSpec()),
        ("deploymentSpec", spec.get("deploymentSpec", {}), pipeline_spec_pb2.PipelineDeploymentConfig()),
        ("platform spec", platform, pipeline_spec_pb2.PlatformSpec()),
    )
    for where, document, message in parts:
        try:
            json_format.ParseDict(document, message)
        except json_format.ParseError as error:
            yield Finding(
                where,
                str(error).partition("\n")[0].rstrip("."),
                "The backend refuses keys that it does not know, or ignores them, by its version",
                "Use the names of api/v2alpha1/pipeline_spec.proto of Kubeflow Pipelines",
            )


def _document_findings(spec: dict, target: str) -> Iterator[Finding]:
    version = spec.get("schemaVersion")
    if version != SCHEMA_VERSION:
        yield Finding(
            "schemaVersion",
            f"{version!r}",
            f"The open-source backend and Vertex' template gallery take {SCHEMA_VERSION} only",
            "Compile with use_pipeline_spec_2_1=True",
        )
    root = spec.get("defaultPipelineRoot", "")
    if fault := pipeline_root_fault(root, ROOT_SCHEMES[target]):
        yield Finding(
            "defaultPipelineRoot",
            f"{root!r}",
            "The launcher downloads and uploads artifacts of other schemes not at all, with a warning only",
            fault[0].upper() + fault[1:],
        )
