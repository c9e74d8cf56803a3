"""Looks for what the backend would refuse or silently ignore in a compiled pipeline."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Finding:
    """One fault of a compiled pipeline."""

    where: str
    """Place in the document."""
    what: str
    """What is there."""
    why: str
    """What the backend would make of it."""
    mend: str
    """What to do."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.why}. {self.mend}."


class LintError(ValueError):
    """A compiled pipeline would not work."""

    def __init__(self, findings: list[Finding]):
        self.findings = findings
        super().__init__("\n".join(str(finding) for finding in findings))


def lint(spec: dict, platform: dict, target: str) -> list[Finding]:
    """Returns every fault found in a compiled pipeline."""
    return []
