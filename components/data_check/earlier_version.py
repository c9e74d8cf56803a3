"""The version in the push destination that today's data is compared with, and what it was made from."""

import dataclasses

from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import statistics_pb2

from components import serving_versions
from components.data_record import DataRecord
from components.pusher import history, withdrawals
from components.pusher.history import Version
from modules.storage import StorageError, explained


@dataclasses.dataclass(frozen=True)
class EarlierVersion:
    """What is known about the data of a version.

    Attributes:
      number: of the version.
      statistics: of its train split.
      images: which images it was made and judged with; None for a version of before.
      remark: a sentence about what could not be read; None without.
    """

    number: int
    statistics: statistics_pb2.DatasetFeatureStatisticsList
    images: DataRecord | None
    remark: str | None


def find_earlier_version(destination: str) -> tuple[EarlierVersion | None, tuple[str, ...]]:
    """Returns the newest version that was not withdrawn and says what it was trained on.

    Returns:
      The version, and why newer ones, or all when there is none, were passed over, as "version 7 was rolled
      back".

    Raises:
      StorageError: when the destination is an address that cannot be read.
    """
    withdrawn = withdrawals.read(destination)
    passed_over = []
    for version in reversed(history.read(destination)):
        try:
            if withdrawals.is_withdrawn(version, withdrawn.values()):
                passed_over.append(f"version {version.number} was rolled back")
            elif not serving_versions.has_model(version.path):
                passed_over.append(f"version {version.number} holds no model")
            else:
                statistics = _read_statistics(version)
                return _with_images(version, statistics), tuple(passed_over)
        except FileNotFoundError:
            passed_over.append(f"version {version.number} says nothing about its data")
        except StorageError:
            raise
        except (OSError, DecodeError) as error:
            passed_over.append(f"what version {version.number} says about its data cannot be read ({error})")
    return None, tuple(passed_over)


def _read_statistics(version: Version) -> statistics_pb2.DatasetFeatureStatisticsList:
    file = version.path / serving_versions.TRAINING_STATISTICS
    with explained(file):
        statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read_bytes())
    if not statistics.datasets:
        raise FileNotFoundError(file)
    return statistics


def _with_images(version: Version, statistics) -> EarlierVersion:
    images = remark = None
    try:
        images = DataRecord.read(version.path / serving_versions.PUSH_RECORDS)
    except FileNotFoundError:
        remark = (
            f"version {version.number} does not say which images it was made with, so that no relabelled or "
            "moved ones were looked for"
        )
    except ValueError as error:
        if isinstance(error, StorageError):
            raise
        remark = f"{error}, so that no relabelled or moved images were looked for"
    return EarlierVersion(version.number, statistics, images, remark)
