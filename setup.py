"""Packaging of keras-tnn. Tool settings live in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

TRAIN = ["tensorflow>=2.21", "keras>=3.15", "absl-py", "numpy>=1.26"]
EDGE = ["ai-edge-litert", "absl-py"]
CORAL = ["tflite-runtime", "absl-py", "numpy<1.25"]  # 1.26 is 4 MB larger
MICRO = ["tflite-micro", "ai-edge-litert", "absl-py"]  # the former has pre-releases only
QAT = ["tensorflow-model-optimization", "tf_keras"]
DATA = ["tensorflow-datasets", "scikit-learn"]
PLOT = ["matplotlib"]
DETECTION = ["keras-hub", "pycocotools"]
DOCS = ["mkdocs-material", "mkdocstrings-python"]
TEST = ["pytest", "pytest-xdist", "hypothesis", "ruff", "tensorboard", "setuptools", "wheel"]
# No tflite-runtime is published for Python 3.12, and no tflite-micro beside Linux: the tests skip.
# Where it is, all share its numpy: tflite-runtime 2.14 was built for numpy 1.
HAS_CORAL = 'python_version < "3.12" and sys_platform == "linux"'
CORAL_WHERE_PUBLISHED = [f"tflite-runtime; {HAS_CORAL}", f"numpy<2; {HAS_CORAL}"]
MICRO_WHERE_PUBLISHED = ['tflite-micro; sys_platform == "linux"']

setup(
    name="keras-tnn",
    version="0.1.0",
    description="One trained Keras network whose compute is a dial, from training to TFLite.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",  # as Keras 3.15
    packages=[
        *find_packages(include=["keras_tnn", "keras_tnn.*"]),
        *find_packages("tflite", include=["tnn_tflite", "tnn_tflite.*"]),
    ],
    # The import name is `tnn_tflite`: a top-level `tflite` would overwrite PyPI's schema package.
    package_dir={"tnn_tflite": "tflite/tnn_tflite"},
    # setuptools' `build/` and Bazel's `BUILD` are one name on macOS and Windows.
    options={"build": {"build_base": ".build"}},
    install_requires=["numpy"],
    extras_require={
        "train": TRAIN,
        "edge": EDGE,
        "coral": CORAL,
        "micro": MICRO,
        "qat": QAT,
        "data": DATA,
        "plot": PLOT,
        "detection": DETECTION,
        "docs": DOCS,
        "dev": TRAIN
        + EDGE
        + CORAL_WHERE_PUBLISHED
        + MICRO_WHERE_PUBLISHED
        + QAT
        + DATA
        + PLOT
        + DOCS
        + TEST,
    },
    entry_points={"console_scripts": ["keras-tnn = tnn_tflite.command:main"]},
)
