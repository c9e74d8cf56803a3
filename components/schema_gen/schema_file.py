"""Is everything in a schema file that the pipeline needs? Imports no TensorFlow."""

from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.schema_gen.limits import read_limits
from components.schema_gen.measured import UNMEASURED_FEATURES
from modules import features
from modules.labels import normalise_label
from modules.storage import check_access, explained, location

_TYPES = {
    **{name: schema_pb2.BYTES for name in (features.IMAGE_BYTES, features.LABEL, *features.SCALARS)},
    **{name: schema_pb2.INT for name in features.NUMERIC_SCALARS},
    features.MEAN_BRIGHTNESS: schema_pb2.FLOAT,
}
_WHAT_TO_DO = (
    "Start from the schema.pbtxt of a run without validation.schema (below OUTPUT/pipeline/SchemaGen/schema) "
    "and edit that."
)


def check_schema_file(path: str | Path) -> schema_pb2.Schema:
    """Returns the schema in the file when the pipeline can work with it; its classes as ingest writes them.

    Args:
      path: a local path or an address.

    Raises:
      StorageError: when an address cannot be read.
      FileNotFoundError: when there is no such file.
      ValueError: when it is no schema, or a feature, its type, its shape or the list of classes is missing.
    """
    path = location(path)
    with explained(path):
        if not path.is_file():
            check_access(path)
            raise FileNotFoundError(f"validation.schema: no file {path}. {_WHAT_TO_DO}")
        content = path.read_bytes()
    try:
        schema = text_format.Parse(content.decode(), schema_pb2.Schema())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ValueError(
            f"validation.schema: {path} is not a schema in text format: {error}. {_WHAT_TO_DO}"
        ) from None
    faults = _normalise_classes(schema) + _faults(schema)
    if faults:
        raise ValueError(f"validation.schema: {path}: {'; '.join(faults)}. {_WHAT_TO_DO}")
    return schema


def _normalise_classes(schema: schema_pb2.Schema) -> list[str]:
    """Gives the classes the names that they have in the data, in place; returns what is wrong with them."""
    domain = _label_domain(schema)
    try:
        classes = dict.fromkeys(normalise_label(name) for name in schema_classes(schema))
    except ValueError as error:
        return [f"the domain of feature label: {error}"]
    if domain is not None:
        domain.value[:] = classes
    return []


def _faults(schema: schema_pb2.Schema) -> list[str]:
    faults = []
    known = {feature.name: feature for feature in schema.feature}
    for name, expected in _TYPES.items():
        if name not in known:
            faults.append(f"feature {name} is missing")
            continue
        feature = known[name]
        if feature.type != expected:
            found, wanted = map(schema_pb2.FeatureType.Name, (feature.type, expected))
            faults.append(f"feature {name} has type {found}, it must be {wanted}")
        if not _is_represented(schema, name):
            faults.append(f"feature {name} must have a dense_tensor of size 1 in tensor_representation_group")
        if name in UNMEASURED_FEATURES and (feature.HasField("presence") or feature.HasField("shape")):
            faults.append(f"feature {name} has no statistics, so it must have neither presence nor shape")
        if name not in UNMEASURED_FEATURES and not _is_present_once(feature):
            faults.append(
                f"feature {name} must have shape {{ dim {{ size: 1 }} }} and presence min_fraction 1"
            )
        try:
            read_limits(feature)
        except ValueError as error:
            faults.append(str(error))
    if features.LABEL in known and len(schema_classes(schema)) < 2:
        faults.append("the domain of feature label must list the classes, two or more")
    return faults


def _is_present_once(feature: schema_pb2.Feature) -> bool:
    return feature.presence.min_fraction == 1 and [dim.size for dim in feature.shape.dim] == [1]


def _is_represented(schema: schema_pb2.Schema, name: str) -> bool:
    if "" not in schema.tensor_representation_group:
        return False
    represented = schema.tensor_representation_group[""].tensor_representation
    return name in represented and [d.size for d in represented[name].dense_tensor.shape.dim] == [1]


def schema_classes(schema: schema_pb2.Schema) -> list[str]:
    """Returns the class names that the schema allows, in its order; empty when it names none."""
    domain = _label_domain(schema)
    return [] if domain is None else list(domain.value)


def _label_domain(schema: schema_pb2.Schema) -> schema_pb2.StringDomain | None:
    for feature in schema.feature:
        if feature.name != features.LABEL:
            continue
        if feature.WhichOneof("domain_info") == "string_domain":
            return feature.string_domain
        return next((domain for domain in schema.string_domain if domain.name == feature.domain), None)
    return None
