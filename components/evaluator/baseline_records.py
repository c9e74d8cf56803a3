"""What lies beside a pushed model about its making: which images it was fitted to, and how it was judged."""

import dataclasses

from components.data_record import DataRecord
from components.evaluator.judgement import Judgement
from components.serving_versions import PUSH_RECORDS
from modules.features import EVAL_SPLIT, TRAIN_SPLIT
from modules.storage import Location, StorageError, location


@dataclasses.dataclass(frozen=True)
class BaselineRecords:
    """The records of a version; one that an older Headstart pushed lacks them.

    Attributes:
      trained_on: content hashes of the images of its train and eval splits. The eval split stopped the
        training and chose the epoch, so the model is fitted to it too.
      judgement: None when it is not known.
      damage: one sentence per record that is there and cannot be read.
    """

    trained_on: frozenset[str] = frozenset()
    judgement: Judgement | None = None
    damage: tuple[str, ...] = ()

    @classmethod
    def read(cls, model_folder: "str | Location") -> "BaselineRecords":
        """Reads the records of a version's folder. A damaged one must not block the version's successor.

        Raises:
          StorageError: when an address cannot be read.
        """
        folder, damage = location(model_folder) / PUSH_RECORDS, []

        def read(kind):
            try:
                return kind.read(folder)
            except StorageError:
                raise
            except FileNotFoundError:
                return None
            except ValueError as error:
                damage.append(str(error))
                return None

        record, judgement = read(DataRecord), read(Judgement)
        trained_on = record.hashes_of(TRAIN_SPLIT, EVAL_SPLIT).tolist() if record else []
        return cls(frozenset(trained_on), judgement, tuple(damage))
