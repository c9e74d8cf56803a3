"""What interrupted runs left is removed; what a later run may read stays."""

from pathlib import Path

import pytest
from tfx.orchestration import metadata
from tfx.types import standard_artifacts

from pipeline.beam_runner import sqlite_metadata
from pipeline.leftovers import remove_leftovers


def write(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    return file


def record(metadata_file: Path, folder: Path) -> None:
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    artifact.mlmd_artifact.state = artifact.mlmd_artifact.LIVE
    with metadata.Metadata(sqlite_metadata(metadata_file)) as connection:
        artifact.type_id = connection.store.put_artifact_type(artifact.artifact_type)
        connection.store.put_artifacts([artifact.mlmd_artifact])


@pytest.mark.parametrize("moved", [False, True])
def test_half_written_artifacts_and_temporary_folders_are_removed_whole_artifacts_stay(tmp_path, moved):
    output, store = tmp_path / "out", tmp_path / "metadata.sqlite"
    write(output / "pipeline/ImageExampleGen/examples/1/Split-train/data.gz")
    write(output / "pipeline/ImageExampleGen/examples/2/.unfinished-x/data.gz")
    write(output / "pipeline/Transform/transform_graph/6/.temp_path/saved_model.pb")
    write(output / "pipeline/Transform/.system/executor_execution/6/.temp/x")
    training = write(output / "training/a/stage_0.npz")
    record(store, output / "pipeline/ImageExampleGen/examples/1")
    if moved:
        output = output.rename(tmp_path / "elsewhere")
        training = output / "training/a/stage_0.npz"

    remove_leftovers(output / "pipeline", store)

    found = sorted(file for file in output.rglob("*") if file.is_file())
    assert found == [output / "pipeline/ImageExampleGen/examples/1/Split-train/data.gz", training]


def test_without_the_metadata_of_its_runs_nobody_knows_what_is_whole_and_all_stays(tmp_path):
    artifact = write(tmp_path / "pipeline/Trainer/model/7/Format-Serving/saved_model.pb")

    remove_leftovers(tmp_path / "pipeline", tmp_path / "metadata.sqlite")

    assert artifact.exists()
    assert not (tmp_path / "metadata.sqlite").exists()


def test_before_the_first_run_there_is_nothing_to_remove(tmp_path):
    remove_leftovers(tmp_path / "pipeline", tmp_path / "metadata.sqlite")
    assert list(tmp_path.iterdir()) == []
