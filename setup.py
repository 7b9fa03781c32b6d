"""Packaging of mia_fairseq: the plugin itself and the preprocessing commands."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# fairseq itself stopped at 0.12.2, which dies on import from Python 3.11 on; two
# republications carry the mend. README, "Packages" and "Limits", tell what was seen to work.
FAIRSEQ = [
    've-fairseq==0.12.3; python_version in "3.11 3.12" and platform_system == "Linux"',
    'fairseq-fixed==0.12.3.1; python_version not in "3.11 3.12" or platform_system != "Linux"',
]

setup(
    name="mia_fairseq",
    version="0.2.0",
    description="MIA-Net, the Multi-modal Interactive Attention Network, as a fairseq plugin",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["mia_fairseq", "mia_fairseq.*", "preprocess", "preprocess.*"]),
    package_data={"mia_fairseq": ["py.typed", "experiments/*/*.yaml", "*/page.*", "ready/*/*"]},
    install_requires=[
        *FAIRSEQ,
        "hydra-core>=1.3.2",
        "omegaconf>=2.3",
        "torch>=2.6",
        "numpy",
        "scipy",
        "tqdm",
        "tensorboard",
        "tensorboardX",  # without it fairseq asks for it at every start
        "matplotlib",
        "pyyaml",
        # raw clips: decoding, faces, the embedded models
        "av",
        "soundfile",
        "opencv-python-headless",
        "onnxruntime",
        "onnx",  # written by torch: mia_fairseq.export --onnx
        "h5py",
        "openpyxl",  # tables as .xlsx
        "faster-whisper",
        "transformers",
        "safetensors",
        "peft",  # --lora
        # the demo's generated clips
        "scikit-image",
        "espeakng-loader",
    ],
    entry_points={
        "console_scripts": [
            "mia-extract = preprocess.extract:command",
            "mia-binarize = preprocess.binarize:command",
            "mia-predict = mia_fairseq.predict.__main__:command",
            "mia-experiments = mia_fairseq.experiments.__main__:command",
            "mia-report = mia_fairseq.report.__main__:command",
        ],
    },
    extras_require={
        "paper": ["retina-face"],  # RetinaFace ResNet50, Sec. 3.1.3
        "test": ["hypothesis", "pytest", "pytest-xdist", "scikit-learn"],
        "lint": ["ruff", "mypy"],
        "page": ["gradio>=6"],  # mia_fairseq.serve
        "browser": ["playwright"],  # the page's test, in a chromium that is installed
        "release": ["build", "twine"],  # make dist
        # the book, and the notebooks' test
        "docs": ["mkdocs-material", "mkdocstrings[python]", "nbclient", "ipykernel"],
    },
)
