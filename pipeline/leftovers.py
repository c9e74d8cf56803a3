"""What runs that were stopped or killed left in an output folder, and no later run will read."""

import shutil
from pathlib import Path, PurePath

from tfx.orchestration import metadata

from pipeline.beam_runner import sqlite_metadata

SYSTEM = ".system"  # TFX's temporary and working folders, of one execution each


def remove_leftovers(root: Path, metadata_file: Path) -> None:
    """Removes half-written artifacts and temporary folders, which would fill the disk for ever.

    TFX records an artifact once it is whole; the folder of one that is not recorded is of a step that never
    ended. To be called while nobody else works there, see `pipeline.output_lock`.

    Args:
      root: of the pipeline: ROOT/STEP/OUTPUT/EXECUTION and ROOT/STEP/.system.
      metadata_file: the metadata store of all its runs. Without it nobody knows what is whole, and all stays.
    """
    if not root.is_dir() or not metadata_file.is_file():
        return
    with metadata.Metadata(sqlite_metadata(metadata_file)) as connection:
        artifacts = connection.store.get_artifacts()
    # Without what stands before: an output folder may have been moved.
    whole = {PurePath(artifact.uri).parts[-3:] for artifact in artifacts if artifact.state == artifact.LIVE}
    for folder in root.glob("*/*/*"):
        if folder.parent.name != SYSTEM and folder.parts[-3:] not in whole:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in root.glob(f"*/{SYSTEM}"):
        shutil.rmtree(folder, ignore_errors=True)
