"""What a pushed version takes along of its verdict, for the verdicts on its successors."""

import dataclasses
import json

from modules.storage import Location, explained, location

FILE_NAME = "verdict.json"  # of the Evaluator; the Pusher copies it beside the model


@dataclasses.dataclass(frozen=True)
class Judgement:
    """How a model did on the test split of its own run: keys of verdict.json.

    Attributes:
      by_class: {label: [images that it was right about, images]}, every class of the test split.
      test_set: fingerprint of the test images, see `Predictions.fingerprint`.
      judged: when, for people.
    """

    by_class: dict[str, list[int]]
    test_set: str
    judged: str

    @classmethod
    def read(cls, folder: "str | Location") -> "Judgement":
        """Reads it out of FILE_NAME in a folder.

        Raises:
          FileNotFoundError: when there is none.
          ValueError: when the file is damaged, or is not of the Evaluator.
        """
        file = location(folder) / FILE_NAME
        with explained(file):
            content = file.read_bytes()
        try:
            verdict = json.loads(content)
            by_class = {str(label): [int(n) for n in counts] for label, counts in verdict["by_class"].items()}
            if not all(len(counts) == 2 and 0 <= counts[0] <= counts[1] for counts in by_class.values()):
                raise ValueError("by_class holds something else than [right, images]")
            return cls(by_class, str(verdict["test_set"]), str(verdict["judged"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{file} is damaged ({type(error).__name__}: {error})") from error
