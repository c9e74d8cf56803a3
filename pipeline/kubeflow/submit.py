"""Starts one run."""

from datetime import datetime, timezone

from pipeline.kubeflow.client import Client, ClusterError
from pipeline.kubeflow.submission import Submission


def submit(client: Client, submission: Submission) -> str:
    """Starts a run and returns its id. Which steps may come from the cache is as it was compiled.

    Raises:
      ClusterError: when Kubeflow Pipelines cannot be asked, or refuses.
    """
    experiment_id = client.experiment_id(submission.experiment)
    started = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    with submission.package() as package:
        try:
            run = client.run_pipeline(
                experiment_id=experiment_id,
                job_name=f"{submission.name} {started}",
                pipeline_package_path=package,
                params=submission.parameters,
                pipeline_root=submission.pipeline_root,
                service_account=submission.service_account,
            )
        except ClusterError as error:
            if not error.is_passing:
                raise
            runs = f"{client.connection.ui_host}/#/runs"
            raise ClusterError(f"{error} The run may have been started all the same: see {runs}") from None
    return run.run_id
