"""A linear chain over a dialogue's labels, on top of any model's logits (``--crf``).

Lafferty, McCallum and Pereira, "Conditional Random Fields" (2001).
It gives each utterance's logarithmic marginals, so that they are read like logits everywhere: the
cross-entropy of them is the objective of Kakade, Teh and Roweis, "An Alternate Objective Function
for Markovian Fields" (2002), and the most probable class of each utterance is its decoding.

D dialogues, U utterances, k classes.
"""

import torch
from torch import Tensor, nn

from mia_fairseq.conversations.recurrence import kept_loops


class LinearChain(nn.Module):
    """Scores of one label following another, which start as nothing.

    Args:
        classes: k.
        past: whether an utterance's labels are read from what came before only.
    """

    def __init__(self, classes: int, *, past: bool) -> None:
        super().__init__()
        self.past = past
        self.transitions = nn.Parameter(torch.zeros(classes, classes))  # from row to column

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        """(D, U, k) logits → logarithmic marginals (D, U, k); behind an end they mean nothing."""
        logits = logits.float()
        scores = forwards(logits, self.transitions)
        if not self.past:
            scores = scores + backwards(logits, mask, self.transitions.t())
        return scores.log_softmax(dim=2)


@kept_loops
def forwards(logits: Tensor, transitions: Tensor) -> Tensor:
    """(D, U, k): of each label, the logarithm of the sum over all ways that lead to it."""
    alpha = logits[:, 0]
    alphas = [alpha]
    for step in range(1, logits.shape[1]):
        alpha = logits[:, step] + (alpha[:, :, None] + transitions).logsumexp(dim=1)
        alphas.append(alpha)
    return torch.stack(alphas, dim=1)


@kept_loops
def backwards(logits: Tensor, mask: Tensor, transitions: Tensor) -> Tensor:
    """(D, U, k): likewise over all ways that go on from it; `transitions` from column to row."""
    beta = torch.zeros_like(logits[:, 0])
    betas = [beta]
    for step in range(logits.shape[1] - 1, 0, -1):
        before = ((logits[:, step] + beta)[:, :, None] + transitions).logsumexp(dim=1)
        beta = torch.where(mask[:, step, None], before, torch.zeros_like(before))
        betas.append(beta)
    return torch.stack(betas, dim=1).flip(1)
