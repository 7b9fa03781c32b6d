"""Any text tokenizer of `transformers`, from a local folder or the hub, without its model."""

from pathlib import Path

from mia_fairseq.data.dictionary import format_dictionary
from mia_fairseq.errors import InputError
from preprocess.files import sha256_of_all
from preprocess.optional import require_transformers

# What decides on the ids: the one file of today's tokenizers, or the vocabularies of older ones.
TOKENIZER_FILE = "tokenizer.json"
VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "bpe.codes", "*.model")


class TextTokenizer:
    """Words to ids, special tokens included.

    Attributes:
        tokenizer: of transformers.
        pad: the id that fills up batches, which never stands within a text.
        size: ids from 0 to size - 1.
    """

    def __init__(self, source: str | Path) -> None:
        """Raises InputError where the folder or hub name holds no tokenizer that can be used."""
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
        """The ids of a text, and how many they were before they were cut to ``limit``."""
        ids: list[int] = self.tokenizer(text)["input_ids"]
        full = len(ids)
        if limit is not None and full > limit:
            ids = self.tokenizer(text, truncation=True, max_length=limit)["input_ids"]
        return ids, full

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
