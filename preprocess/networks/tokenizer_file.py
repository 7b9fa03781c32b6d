"""Words to ids by a ``tokenizer.json`` alone: by `tokenizers`, without transformers and torch."""

from pathlib import Path

from mia_fairseq.data.format.dictionary import format_dictionary
from mia_fairseq.files import sha256_of
from mia_fairseq.pretrained.libraries import require

TOKENIZER_FILE = "tokenizer.json"


class TokenizerFile:
    """As `preprocess.networks.text_tokenizer.TextTokenizer`, of a file that is known to be right.

    Attributes:
        pad: the id that fills up batches.
        size: ids from 0 to size - 1.
    """

    def __init__(self, folder: Path) -> None:
        """``folder``: of a model of the store, whose files are checked by their hashes."""
        self.path = folder / TOKENIZER_FILE
        tokenizers = require("tokenizers", "tokenizers", "a tokenizer's file")
        self.tokenizer = tokenizers.Tokenizer.from_file(str(self.path))
        self.pad = int(self.tokenizer.padding["pad_id"])
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.tokenizer.encode_special_tokens = True  # [PAD] in a text is words as all else
        self._ids: dict[str, int] = self.tokenizer.get_vocab(with_added_tokens=True)
        self.size = max(self._ids.values()) + 1

    def encode(self, text: str) -> tuple[list[int], int]:
        """The ids of a text, special tokens around them, and how many they are."""
        ids: list[int] = self.tokenizer.encode(text).ids
        return ids, len(ids)

    def dictionary_text(self) -> str:
        """The text of a ``transformers`` dictionary: every id's token, in order."""
        tokens = {number: token for token, number in self._ids.items()}
        return format_dictionary([tokens.get(i, f"[unused id {i}]") for i in range(self.size)])

    def sha256(self) -> str:
        """The hash of the file."""
        return sha256_of(self.path)
