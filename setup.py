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
ONNX = ["tf2onnx", "onnxruntime"]
DETECTION = ["keras-hub", "pycocotools"]
DOCS = ["mkdocs-material", "mkdocstrings-python"]
TEST = ["pytest", "pytest-xdist", "hypothesis", "ruff", "tensorboard", "setuptools", "wheel"]
# No tflite-runtime is published for Python 3.12, and no tflite-micro beside Linux: the tests skip.
# Where it is, all share its numpy: tflite-runtime 2.14 was built for numpy 1.
HAS_CORAL = 'python_version < "3.12" and sys_platform == "linux"'
CORAL_WHERE_PUBLISHED = [f"tflite-runtime; {HAS_CORAL}", f"numpy<2; {HAS_CORAL}"]
MICRO_WHERE_PUBLISHED = ['tflite-micro; sys_platform == "linux"']

KEYWORDS = ["keras", "tflite", "litert", "edge", "throttleable", "dynamic inference", "pruning"]
CLASSIFIERS = [
    "Development Status :: 4 - Beta",
    "Intended Audience :: Developers",
    "Intended Audience :: Science/Research",
    "Operating System :: POSIX :: Linux",
    "Programming Language :: Python :: 3",
    "Programming Language :: Python :: 3.11",
    "Programming Language :: Python :: 3.12",
    "Programming Language :: Python :: 3.13",
    "Topic :: Scientific/Engineering :: Artificial Intelligence",
    "Typing :: Typed",
]

setup(
    name="keras-tnn",
    version="0.2.0",  # the only place that says it; CHANGELOG.md begins with it
    description="One trained Keras network whose compute is a dial, from training to TFLite.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="keras-tnn developers",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=KEYWORDS,
    classifiers=CLASSIFIERS,
    python_requires=">=3.11",  # as Keras 3.15
    packages=[
        *find_packages(include=["keras_tnn", "keras_tnn.*"]),
        *find_packages("tflite", include=["tnn_tflite", "tnn_tflite.*"]),
    ],
    # The import name is `tnn_tflite`: a top-level `tflite` would overwrite PyPI's schema package.
    package_dir={"tnn_tflite": "tflite/tnn_tflite"},
    package_data={"keras_tnn": ["py.typed"], "tnn_tflite": ["py.typed"]},
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
        "onnx": ONNX,
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
