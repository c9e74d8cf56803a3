"""Were too many files set aside while the images were read?"""

from components.data_check.findings import FATAL, NOTICE, Finding

_EXAMPLES_SHOWN = 3


def files_set_aside(ingest_report: dict, max_rejected_share: float) -> list[Finding]:
    """Returns a fatal finding when more than the allowed share of the files could not be used.

    Args:
      ingest_report: content of ingest_report.json.
      max_rejected_share: share of the listed files, 0 to 1.
    """
    set_aside = ingest_report["set_aside"]
    listed = ingest_report["counts"]["listed"]
    if not set_aside:
        return []
    share = len(set_aside) / listed
    shown = "; ".join(f"{row['path']} ({row['reason']})" for row in set_aside[:_EXAMPLES_SHOWN])
    rest = len(set_aside) - _EXAMPLES_SHOWN
    files = f"{len(set_aside)} of {listed} files were set aside ({share:.1%}): {shown}"
    if rest > 0:
        files += f"; and {rest} more"
    if share <= max_rejected_share:
        return [Finding("data", files, NOTICE)]
    allowed = f"At most {max_rejected_share:.1%} are allowed: fix the files, or raise data.max_rejected_share"
    return [Finding("data", f"{files}. {allowed}", FATAL)]
