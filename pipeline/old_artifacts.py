"""The artifacts of old runs, and how they are removed so that no cache finds them. Imports no TFX."""

import contextlib
import shutil
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path, PurePath

from ml_metadata import errors
from ml_metadata.metadata_store.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

RUN = "pipeline_run"  # TFX's type of the context that holds the executions and artifacts of one run
LAST_STEP = ".Report"  # how the type of an execution ends that only a run has which came to its end


class Artifacts:
    """What the metadata store of an output folder knows of its runs."""

    def __init__(self, root: Path, metadata_file: Path):
        """
        Args:
          root: of the pipeline: ROOT/STEP/OUTPUT/EXECUTION.
          metadata_file: SQLite file; it exists.
        """
        settings = metadata_store_pb2.ConnectionConfig()
        settings.sqlite.filename_uri = str(metadata_file)
        settings.sqlite.connection_mode = settings.sqlite.READWRITE
        self._root = root
        with _explained():
            self._store = MetadataStore(settings)

    def older_than(self, runs: int | None, since: datetime | None) -> list[metadata_store_pb2.Artifact]:
        """Returns the artifacts that only older runs made or read, those of before first.

        The newest run, which the next one may go on from, and the newest that came to its end always count.

        Args:
          runs: how many of the newest runs count; None for none because of their number.
          since: when the oldest run began that counts for its age; None for none.
        """
        with _explained():
            needed = self._needed(runs, since)
            artifacts = self._store.get_artifacts()
        live = metadata_store_pb2.Artifact.LIVE
        return [artifact for artifact in artifacts if artifact.state == live and artifact.id not in needed]

    def _needed(self, runs: int | None, since: datetime | None) -> set[int]:
        contexts = sorted(self._store.get_contexts_by_type(RUN), key=lambda context: context.id, reverse=True)
        kept = contexts[: max(runs or 0, 1)]
        if since is not None:
            kept += [context for context in contexts if _began(context) >= since]
        kept += [context for context in contexts if self._came_to_its_end(context)][:1]
        return {
            artifact.id for context in kept for artifact in self._store.get_artifacts_by_context(context.id)
        }

    def folder(self, artifact: metadata_store_pb2.Artifact) -> Path:
        """Returns where an artifact lies now; the output folder may have been moved since."""
        return self._root.joinpath(*PurePath(artifact.uri).parts[-3:])

    def remove(self, artifact: metadata_store_pb2.Artifact) -> None:
        """Removes an artifact; TFX's cache takes no outputs of which one is not live."""
        artifact.state = metadata_store_pb2.Artifact.DELETED
        # Before its folder: should this process be killed in between, `leftovers` removes the rest.
        with _explained():
            self._store.put_artifacts([artifact])
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder(artifact))

    def _came_to_its_end(self, context: metadata_store_pb2.Context) -> bool:
        last = {kind.id for kind in self._store.get_execution_types() if kind.name.endswith(LAST_STEP)}
        done = (metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED)
        return any(
            execution.type_id in last and execution.last_known_state in done
            for execution in self._store.get_executions_by_context(context.id)
        )


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turns what the metadata store raises, as when it is damaged, into an OSError."""
    try:
        yield
    except (errors.StatusError, RuntimeError) as error:
        raise OSError(f"the metadata of the runs (metadata.sqlite): {error}") from error


def _began(context: metadata_store_pb2.Context) -> datetime:
    return datetime.fromtimestamp(context.create_time_since_epoch / 1000, timezone.utc)
