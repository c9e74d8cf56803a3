"""All benchmarks in one table; exits with 1 when a bound is missed.

python -m tests.benchmarks
"""

import sys
import tempfile
from pathlib import Path

from tests.benchmarks import dag, training
from tests.benchmarks.rows import machine, table

with tempfile.TemporaryDirectory() as folder:
    measured, accuracies = dag.rows(Path(folder))
measured += training.rows()
print(machine())
print(table(measured))
print(accuracies)
sys.exit(not all(row.holds for row in measured))
