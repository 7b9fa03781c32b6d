"""Words to ids without a model: by any tokenizer of `transformers`, or as fairseq's RoBERTa has."""

from pathlib import Path

from mia_fairseq.data.format.dictionary import format_dictionary
from mia_fairseq.errors import InputError
from mia_fairseq.fairseq_import import load_fairseq
from mia_fairseq.files import sha256_of_all
from mia_fairseq.pretrained.fairseq_checkpoints import load_dictionary
from mia_fairseq.pretrained.libraries import require_transformers
from mia_fairseq.pretrained.model_store import fetch_model
from preprocess.networks.tokenizer_file import TOKENIZER_FILE

# What decides on the ids: the one file of today's tokenizers, or the vocabularies of older ones.
VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "bpe.codes", "*.model")


class TextTokenizer:
    """Words to ids by a tokenizer of `transformers`, its special tokens around them.

    Attributes:
        tokenizer: of transformers.
        pad: the id that fills up batches, which never stands within a text.
        size: ids from 0 to size - 1.
    """

    def __init__(self, source: str | Path) -> None:
        """Loads the tokenizer.

        Args:
            source: a folder or a name of the hub.

        Raises:
            InputError: the folder or hub name holds no tokenizer that can be used.
        """
        transformers = require_transformers("a transformer tokenizer")
        self.source = source
        try:
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(str(source))
            others = {self.tokenizer.eos_token_id, self.tokenizer.cls_token_id, None}
            if self.tokenizer.pad_token_id in others:
                raise ValueError("its tokenizer has no padding token of its own")
        except (OSError, ValueError, KeyError) as error:
            first = str(error).strip().splitlines()[0]
            raise InputError(
                f"{source} holds no tokenizer that transformers can load ({first}); give a folder "
                f"with {TOKENIZER_FILE} and tokenizer_config.json, or a name on the hub"
            ) from error
        self.pad: int = self.tokenizer.pad_token_id
        self.size = max(self.tokenizer.get_vocab().values()) + 1

    def encode(self, text: str, limit: int | None = None) -> tuple[list[int], int]:
        """The ids of a text, and how many they were before they were cut to ``limit``.

        What looks like a special token in the text (``[PAD]``, ``<s>``) is words as all else.
        """
        ids = self._ids(text)
        full = len(ids)
        if limit is not None and full > limit:
            ids = self._ids(text, truncation=True, max_length=limit)
        return ids, full

    def _ids(self, text: str, **how: object) -> list[int]:
        ids: list[int] = self.tokenizer(text, split_special_tokens=True, **how)["input_ids"]
        return ids

    def dictionary_text(self) -> str:
        """The text of a ``transformers`` dictionary: every id's token, in order."""
        tokens = {number: token for token, number in self.tokenizer.get_vocab().items()}
        return format_dictionary([tokens.get(i, f"[unused id {i}]") for i in range(self.size)])

    def sha256(self) -> str | None:
        """The hash of the files in a local folder that decide on the ids; None for a hub name."""
        folder = Path(self.source)
        whole = folder / TOKENIZER_FILE
        if whole.is_file():
            return sha256_of_all([whole])
        return sha256_of_all(sorted(path for name in VOCABULARIES for path in folder.glob(name)))


class RobertaTokenizer:
    """Words to ids as fairseq's `RobertaHubInterface.encode` has them.

    They are GPT-2's byte pairs by the numbers of the RoBERTa's own dictionary, between ``<s>`` and
    ``</s>``.

    Attributes:
        dictionary: of fairseq, without ``<mask>``, which stands in no text.
        files: what decides on the ids.
    """

    def __init__(self, folder: Path) -> None:
        """``folder``: has dict.txt, and encoder.json with vocab.bpe if they are not GPT-2's own.

        Raises:
            InputError: they cannot be read.
        """
        load_fairseq()
        from fairseq.data.encoders.gpt2_bpe import GPT2BPE, GPT2BPEConfig

        own = (folder / "encoder.json").is_file()
        bpe = folder if own else fetch_model("gpt2_bpe")
        self.files = [bpe / "encoder.json", bpe / "vocab.bpe", folder / "dict.txt"]
        self.dictionary = load_dictionary(self.files[2])
        try:
            self.bpe = GPT2BPE(
                GPT2BPEConfig(
                    gpt2_encoder_json=str(self.files[0]), gpt2_vocab_bpe=str(self.files[1])
                )
            )
        except (OSError, ValueError) as error:
            raise InputError(
                f"{bpe}: encoder.json and vocab.bpe cannot be read as GPT-2's byte pairs "
                f"({' '.join(str(error).split())}); put those of the release there"
            ) from error

    def encode(self, text: str) -> list[int]:
        """The ids of a text; nothing is cut."""
        line = f"<s> {self.bpe.encode(text)} </s>"
        ids: list[int] = self.dictionary.encode_line(
            line, append_eos=False, add_if_not_exist=False
        ).tolist()
        return ids
