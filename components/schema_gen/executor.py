"""Writes the schema that the user keeps, or the one that the train split's statistics imply."""

import os
from typing import Any

from tfx import types
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.schema_gen.inference import infer_schema
from components.schema_gen.schema_file import check_schema_file
from modules import features

SCHEMA_FILE = "schema.pbtxt"


class Executor(base_executor.BaseExecutor):
    """Reads the user's schema file or the statistics of the train split, writes schema.pbtxt.

    Raises:
      FileNotFoundError: without the schema file.
      ValueError: when the schema file does not fit, or there is no image to infer a schema from.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        schema_file = exec_properties.get("schema_file")
        if schema_file:
            schema = check_schema_file(schema_file)
        else:
            statistics = artifact_utils.get_single_instance(input_dict["statistics"])
            train = stats_artifact_utils.load_statistics(statistics, features.TRAIN_SPLIT).proto()
            schema = infer_schema(train)
        schema_dir = artifact_utils.get_single_uri(output_dict["schema"])
        io_utils.write_pbtxt_file(os.path.join(schema_dir, SCHEMA_FILE), schema)
