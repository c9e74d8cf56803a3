"""Whether a watched quantity still improves: what early stopping and a falling learning rate ask."""

from dataclasses import asdict, dataclass
from typing import Optional


@dataclass
class Plateau:
    """Counts epochs since the best value of `val_loss` (falling) or `val_accuracy` (rising)."""

    monitor: str
    patience: int
    min_delta: float = 0.0
    best: Optional[float] = None
    waited: int = 0

    def improved(self, value: float) -> bool:
        """Takes the value of another epoch; returns whether it is the best so far, by more than min_delta."""
        if self.best is None:
            better = True
        elif self.monitor == "val_accuracy":
            better = value > self.best + self.min_delta
        else:
            better = value < self.best - self.min_delta
        self.best = value if better else self.best
        self.waited = 0 if better else self.waited + 1
        return better

    @property
    def is_over(self) -> bool:
        """True when `patience` epochs went by without improvement."""
        return self.waited >= self.patience

    def state(self) -> dict:
        """Returns what `Plateau(**state)` continues from."""
        return asdict(self)
