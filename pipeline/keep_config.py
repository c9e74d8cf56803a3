"""What stays of old runs and versions: the section `keep` of a config."""

from typing import Annotated, Optional

from pydantic import Field

from modules.recipe import PositiveInt
from modules.settings import settings


@settings
class Keep:
    runs: Optional[PositiveInt] = None
    """Newest runs of which artifacts, report, log and TensorBoard folder stay; with `days` also the younger ones."""
    versions: Optional[PositiveInt] = None
    """Newest versions in the push destination that stay; with `days` also the younger ones. What serves, what a rollback would go back to and what is withdrawn always stays."""
    days: Optional[Annotated[float, Field(gt=0.0, le=36500.0)]] = None
    """Runs and versions younger than this many days stay; without `runs` or `versions`, it is age alone that decides about those."""

    @property
    def is_set(self) -> bool:
        """True when anything may ever be removed."""
        return (self.runs, self.versions, self.days) != (None, None, None)
