"""The loop that a user of `transformers` and `peft` would write to train a text encoder.

B rows of a batch, W sequences that are read, T the longest of them, d the encoder's width.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from mia_fairseq.pretrained.libraries import require, require_transformers


class BareLoop:
    """An encoder with LoRA beside each linear layer of its blocks, a mean, a head, AdamW.

    Args:
        folder: of the encoder.
        rank: of the maps, whose alpha is twice that, as ``--lora`` has it.
        classes: that the head tells.
        lr: of everything.
    """

    def __init__(self, folder: Path, rank: int, classes: int, lr: float) -> None:
        transformers = require_transformers("this benchmark")
        peft = require("peft", "peft", "this benchmark")
        network: Any = transformers.AutoModel.from_pretrained(str(folder), local_files_only=True)
        self.pad = int(network.config.pad_token_id)
        targets = [
            name
            for name, module in network.named_modules()
            if isinstance(module, nn.Linear) and "layer." in name
        ]
        settings = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets)
        self.head = nn.Linear(network.config.hidden_size, classes)
        self.network = peft.get_peft_model(network, settings).train()
        learnt = [p for p in self.network.parameters() if p.requires_grad]
        everything = [*learnt, *self.head.parameters()]
        self.optimizer = torch.optim.AdamW(everything, lr=lr, weight_decay=0.01, fused=True)

    def step(self, rows: Sequence[Sequence[Tensor]], target: Tensor) -> float:
        """One update, and its loss.

        Args:
            rows: the tokens of each row, in the sequences that are read: W lists of one row each,
                or of the rows of a dialogue, of which only the first keeps its start symbol.
            target: (B,) classes of all rows, in order.
        """
        parts = [[row if not at else row[1:] for at, row in enumerate(one)] for one in rows]
        sequences = [torch.cat(one) for one in parts]
        tokens = pad_sequence(sequences, batch_first=True, padding_value=self.pad)  # (W, T)
        mask = torch.arange(tokens.shape[1]) < torch.tensor([[len(one)] for one in sequences])
        read = self.network(input_ids=tokens, attention_mask=mask.long())
        prediction = self.head(self.means(read.last_hidden_state, mask, parts))
        loss = nn.functional.cross_entropy(prediction, target)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    @staticmethod
    def means(states: Tensor, mask: Tensor, parts: Sequence[Sequence[Tensor]]) -> Tensor:
        """(B, d) means over each row's own tokens, of what was read (W, T, d)."""
        if all(len(one) == 1 for one in parts):
            inside = mask[..., None].to(states.dtype)
            return (states * inside).sum(1) / inside.sum(1)
        counts = torch.tensor([len(row) for one in parts for row in one])
        owner = torch.repeat_interleave(counts)  # of each token that is no padding
        sums = states.new_zeros(len(counts), states.shape[2]).index_add(0, owner, states[mask])
        return sums / counts[:, None]
