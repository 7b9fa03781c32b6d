"""A linear chain over a dialogue's labels, on top of any model's logits (``--crf``).

Lafferty, McCallum and Pereira, "Conditional Random Fields" (2001).
It gives each utterance's logarithmic marginals, so that they are read like logits everywhere: the
cross-entropy of them is the objective of Kakade, Teh and Roweis, "An Alternate Objective Function
for Markovian Fields" (2002), and the most probable class of each utterance is its decoding.

D dialogues, U utterances, k classes.
"""

import torch
from torch import Tensor, nn


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
        alphas, alpha = [], logits[:, 0]
        for step in range(logits.shape[1]):
            if step:
                alpha = logits[:, step] + self._through(alpha, self.transitions)
            alphas.append(alpha)
        forwards = torch.stack(alphas, dim=1)
        if self.past:
            return forwards.log_softmax(dim=2)
        betas, beta = [], torch.zeros_like(logits[:, 0])
        for step in range(logits.shape[1] - 1, -1, -1):
            betas.append(beta)
            before = self._through(logits[:, step] + beta, self.transitions.t())
            beta = torch.where(mask[:, step, None], before, torch.zeros_like(before))
        backwards = torch.stack(betas[::-1], dim=1)
        return (forwards + backwards).log_softmax(dim=2)

    def _through(self, scores: Tensor, transitions: Tensor) -> Tensor:
        """(D, k) → (D, k): the logarithm of the sum over where each label comes from."""
        return (scores[:, :, None] + transitions).logsumexp(dim=1)
