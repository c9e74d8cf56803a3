"""What the page of a run says that ended before a model was judged: refused data, or a failure."""

from components.report.summary import Summary


def headline(summary: Summary) -> dict:
    """{"tone", "title", "detail"}: what a reader sees first."""
    version = summary.serving_version
    if summary.outcome == "data_refused":
        serves = "Nothing serves." if version is None else f"Version {version} goes on serving."
        return {"tone": "bad", "title": "Refused: the data was not trained on", "detail": serves}
    return {
        "tone": "bad",
        "title": f"Failed at the step {summary.step}" if summary.step else "Failed before the first step",
        # None also where the failure kept this run from looking, as of a bucket that is gone.
        "detail": None if version is None else f"Version {version} serves.",
    }
