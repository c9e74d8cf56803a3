"""What the data must look like, inferred from the statistics of the train split."""

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.schema_gen import limits
from components.schema_gen.measured import UNMEASURED_FEATURES
from components.schema_gen.statistics import class_counts, feature_statistics
from modules import features


def infer_schema(train_statistics: statistics_pb2.DatasetFeatureStatisticsList) -> schema_pb2.Schema:
    """Returns a schema of all raw features, with the classes of the train split and limits for the numbers.

    Raises:
      ValueError: when the train split has no labelled image.
    """
    classes = class_counts(train_statistics)
    if not classes:
        raise ValueError(
            "the train split has no labelled image to infer a schema from; check data.source and data.splits"
        )
    schema = tfdv.infer_schema(train_statistics, infer_feature_shape=True)
    _restrict_to_classes(schema, list(classes))
    for feature in schema.feature:
        if feature.name in features.NUMERIC_SCALARS:
            numeric = feature_statistics(train_statistics, feature.name).num_stats
            limits.write_limits(feature, *limits.median_limits(numeric))
    for name in UNMEASURED_FEATURES:
        # No `shape` here: it would ask for `presence`, and ExampleValidator reports a feature that
        # must be present and has no statistics as dropped.
        schema.feature.add(name=name, type=schema_pb2.BYTES)
    _represent_as_single_values(schema)
    return schema


def _restrict_to_classes(schema: schema_pb2.Schema, classes: list[str]) -> None:
    """Makes the classes the only closed list of values.

    TFDV closes every list of up to 100 texts: too short for the classes of large data sets, and
    wrong for the file format, where any that ingest can read is welcome.
    """
    del schema.string_domain[:]
    for feature in schema.feature:
        if feature.type == schema_pb2.BYTES and feature.WhichOneof("domain_info"):
            feature.ClearField(feature.WhichOneof("domain_info"))
        if feature.name == features.LABEL:
            feature.domain = features.LABEL
    schema.string_domain.add(name=features.LABEL, value=classes)


def _represent_as_single_values(schema: schema_pb2.Schema) -> None:
    """Says that each feature is one value an example.

    Readers take a feature's shape from its tensor representation; where any feature has one, they
    see only those that have one.
    """
    represented = schema.tensor_representation_group[""].tensor_representation
    for feature in schema.feature:
        dense = represented[feature.name].dense_tensor
        dense.column_name = feature.name
        dense.shape.dim.add(size=1)
