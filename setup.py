"""Installs the packages pipeline, components and modules, and the command `headstart`.

The ranges span the two supported stacks: TFX 1.16 on Python 3.10 and TFX 1.21 on Python 3.11 to 3.13. Exact
versions with hashes are in requirements/.
"""

import ast
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def read_version() -> str:
    """Returns __version__ of pipeline/__init__.py without importing it, which needs nothing installed."""
    for statement in ast.parse((ROOT / "pipeline" / "__init__.py").read_text()).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "__version__":
            return ast.literal_eval(statement.value)
    raise ValueError("pipeline/__init__.py has no line __version__ = ...; add it.")


setup(
    name="headstart",
    version=read_version(),
    description="A TFX pipeline that retrains image classifiers by transfer learning",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["pipeline*", "components*", "modules*"]),
    package_data={
        "pipeline": ["configs/**/*.yaml"],
        "components.report": ["*.html", "*.j2", "*.css", "*.js"],
    },
    install_requires=[
        "absl-py",
        "apache-beam>=2.65",
        "click>=8.1",
        "cronsim>=2.7",
        "fsspec>=2025",
        "gcsfs>=2025",
        "google-crc32c>=1.5",
        "jinja2>=3.1",
        "keras>=3.12,<4",
        "kfp>=2.5,<3",
        "kfp-server-api>=2.0.5,<3",
        "markupsafe>=2.1",
        "numpy>=1.26",
        "pillow>=10",
        "protobuf",
        "psutil>=5.9",
        "pydantic>=2.8,<3",
        "pyyaml>=6",
        "requests>=2.31",
        "rich>=13",
        "s3fs>=2025",
        "scipy>=1.12",
        "tensorboard>=2.16",  # which tf.summary needs, and TensorFlow 2.21 no longer brings
        "tensorflow>=2.16,<2.22",
        "tfx>=1.16,<1.22",
        "universal-pathlib>=0.3",
        "urllib3",
        # Each release of TFX asks for the releases of these that were made with it.
        "tensorflow-data-validation",
        "tensorflow-metadata",
        "tensorflow-model-analysis",
        "tensorflow-transform",
        "tfx-bsl",
        "ml-metadata",
    ],
    extras_require={"dev": ["flask", "flask-cors", "moto[s3]>=5", "pytest>=8", "ruff>=0.14"]},
    entry_points={"console_scripts": ["headstart=pipeline.cli:main"]},
)
