"""Losses that shape representations, as pure functions: CMD, orthogonality, InfoNCE.

N rows, p width.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def central_moment_discrepancy(one: Tensor, other: Tensor, moments: int = 5) -> Tensor:
    """CMD of two samples of bounded variables (Zellinger et al., ICLR 2017, Definition 2).

    ‖E(X) − E(Y)‖/|b − a| + Σ_{k=2..K} ‖C_k(X) − C_k(Y)‖/|b − a|^k, C_k the central moments of each
    column, for values in [a, b] = [0, 1].

    Args:
        one: X, (N, p), values in [0, 1]; N is not 0.
        other: Y, (N', p), values in [0, 1]; N' is not 0.
        moments: K.

    Returns:
        A scalar.
    """
    means = one.mean(dim=0), other.mean(dim=0)
    centred = one - means[0], other - means[1]
    terms = [torch.linalg.vector_norm(means[0] - means[1])]
    for k in range(2, moments + 1):
        difference = (centred[0] ** k).mean(dim=0) - (centred[1] ** k).mean(dim=0)
        terms.append(torch.linalg.vector_norm(difference))
    return torch.stack(terms).sum()


def orthogonality_loss(one: Tensor, other: Tensor) -> Tensor:
    """‖Xᵀ Y‖²_F / N² for rows of mean 0 and length 1 (Bousmalis et al., NeurIPS 2016, Eq. 4).

    The division makes it a mean over pairs of rows, so that its weight does not hang on the
    batch's size; it lies in [0, 1].

    Args:
        one: X, (N, p), N at least 1.
        other: Y, (N, p) of the same rows.
    """
    normalized = [F.normalize(x - x.mean(dim=0), dim=1, eps=1e-6) for x in (one, other)]
    return (normalized[0].mT @ normalized[1]).square().sum() / len(one) ** 2


def info_nce(question: Tensor, answer: Tensor) -> Tensor:
    """−mean_i log(exp(s_ii) / Σ_j exp(s_ij)), s the cosine of question i and answer j over τ.

    log N minus this is a lower bound of the mutual information of the two (van den Oord et al.,
    arXiv 1807.03748, Sec. 2.3). The temperature τ is 0.1.

    Args:
        question: (N, p), N at least 1.
        answer: (N, p) of the same rows.
    """
    similarity = F.normalize(question, dim=1, eps=1e-6) @ F.normalize(answer, dim=1, eps=1e-6).mT
    return F.cross_entropy(similarity / 0.1, torch.arange(len(question), device=question.device))
