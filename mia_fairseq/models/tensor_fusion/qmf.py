"""Quantum-inspired fusion: words superposed, modalities entangled, and the state measured.

Li, Gkoumas, Lioma and Melucci, Quantum-inspired multimodal fusion for video sentiment analysis,
Information Fusion 65, 2021 (the paper's ref. [85]; arXiv 2103.10572). Each item of a sequence is a
complex vector |x⟩ of amplitudes and phases, in p dimensions:

    |x_t⟩ = r_t ⊙ exp(iφ_t)                     r_t = R x_t, φ_t = Φ x_t
    |m⟩ = normalized(|x_0⟩ + Σ_t w_t |x_t⟩)      superposition of a modality's items
    |ψ⟩ = Σ_s ⊗_m A_m^s |m⟩, normalized          entangled where the sum has two terms or more
    ρ_m = Tr_{all but m} |ψ⟩⟨ψ|                  reduced density matrix, Hermitian, trace 1
    P_k = |⟨v_k^1 … v_k^n|ψ⟩|²,  P_mk = ⟨v_k^m|ρ_m|v_k^m⟩       joint and single measurement
    M_fused = V [P : P_m for all m] + v

No tensor of pⁿ entries is written out, nor ρ_m: with inner products of the terms both kinds of
probability cost terms² · p (see `single_measurement`). Different here: a sum of few product states
stands for their entangled one; x_0 is one of the c adapted rows and w its attention over the
sequence. A missing modality is no factor of |ψ⟩.

The equations are from memory and the paper's abstract; nobody has checked them against its full
text.

B batch, T time, c channels, p dimensions, s terms, k observables; complex: (real, imaginary).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from mia_fairseq.fairseq_bases import register_model
from mia_fairseq.fusion import Fusion, FusionOutput, FusionShape, ModalityInput
from mia_fairseq.models.affect_model import AffectModel
from mia_fairseq.models.affect_settings import setting
from mia_fairseq.models.fusion_settings import WidthConfig, at_least, check_width, used
from mia_fairseq.models.modality_streams import summary_streams
from mia_fairseq.modules.masked_attention import padding_of
from mia_fairseq.modules.projection import Projections, present

Complex = tuple[Tensor, Tensor]


@dataclass
class QMFConfig(WidthConfig):
    """Settings of qmf."""

    qmf_terms: int = setting(2, "product states in the entangled sum; 1 entangles nothing")
    qmf_observables: int = setting(32, "k, states that are measured, jointly and of each modality")


def inner(one: Complex, other: Complex, along: str) -> Complex:
    """⟨one|other⟩ of complex vectors.

    Args:
        one: its real and imaginary part.
        other: its real and imaginary part.
        along: what is summed, as an einsum says, e.g. ``"bsp,brp->bsr"``.
    """
    (a, b), (x, y) = one, other
    real = torch.einsum(along, a, x) + torch.einsum(along, b, y)
    return real, torch.einsum(along, a, y) - torch.einsum(along, b, x)


def times(one: Complex, other: Complex) -> Complex:
    """The product, element by element."""
    (a, b), (x, y) = one, other
    return a * x - b * y, a * y + b * x


def applied(matrix: Complex, vectors: Complex) -> Complex:
    """The product of matrices (N, s, r) and vectors (N, r, k): (N, s, k)."""
    (a, b), (x, y) = matrix, vectors
    return a @ x - b @ y, a @ y + b @ x


def single_measurement(
    environment: Complex, overlaps: Complex, amplitudes: Complex
) -> tuple[Tensor, Tensor]:
    """P_mk = ⟨v_k|ρ_m|v_k⟩ and Tr ρ_m² of ρ_m = Σ_sr E_sr |a^r⟩⟨a^s| / its trace.

    With K = E Gᵀ the trace is Tr K and that of the square Tr K², so that ρ_m itself is not needed.

    Args:
        environment: E (N, s, s), the products of ⟨a_j^s|a_j^r⟩ over all other modalities j.
        overlaps: G (N, s, s), ⟨a^s|a^r⟩ of this modality.
        amplitudes: ⟨v_k|a^s⟩, (N, s, k).

    Returns:
        (N, k) and (N,).
    """
    inside = applied(environment, (overlaps[0].mT, overlaps[1].mT))  # K
    trace = inside[0].diagonal(dim1=1, dim2=2).sum(dim=1).clamp(min=1e-12)
    square = applied(inside, inside)[0].diagonal(dim1=1, dim2=2).sum(dim=1)
    weighed = applied(environment, amplitudes)
    found = (amplitudes[0] * weighed[0] + amplitudes[1] * weighed[1]).sum(dim=1)
    return found / trace[:, None], square / trace.square()


class Embedding(nn.Module):
    """One modality's state, its terms of the entangled sum, and what is measured of it."""

    def __init__(self, width: int, terms: int, observables: int) -> None:
        super().__init__()
        self.amplitude, self.phase = nn.Linear(width, width), nn.Linear(width, width)  # R, Φ
        self.terms = nn.Linear(2 * width, 2 * terms * width)  # A_m^s, on pairs
        self.observables = nn.Parameter(torch.randn(2, observables, width))
        self.width = width

    def forward(self, tokens: Tensor, mask: Tensor, channels: int) -> Complex:
        """a_m^s (B·c, s, p) of tokens (B, c + T, p), the summaries first."""
        r, phi = self.amplitude(tokens), self.phase(tokens)
        states = torch.stack([r * phi.cos(), r * phi.sin()], dim=-1)  # (B, c + T, p, 2)
        scores = tokens[:, :channels] @ tokens[:, channels:].mT / self.width**0.5
        closed = padding_of(mask[:, channels:])[:, None]
        weights = torch.softmax(scores.masked_fill(closed, float("-inf")), dim=2)  # w
        mixed = states[:, :channels] + torch.einsum("bct,btpz->bcpz", weights, states[:, channels:])
        mixed = mixed.flatten(0, 1).flatten(1)  # (B·c, 2p)
        unit = mixed / torch.linalg.vector_norm(mixed, dim=1, keepdim=True).clamp(min=1e-6)
        real, imaginary = self.terms(unit).unflatten(1, (2, -1, self.width)).unbind(dim=1)
        return real, imaginary

    def measured(self) -> Complex:
        """|v_k⟩, (k, p), of length 1."""
        norms = torch.linalg.vector_norm(self.observables, dim=(0, 2), keepdim=True)
        real, imaginary = self.observables / norms.clamp(min=1e-6)
        return real, imaginary


class QuantumFusion(Fusion):
    """Embeddings, entanglement and measurement, then one linear map.

    Args:
        shape: the modalities.
        width: p.
        terms: of the entangled sum.
        observables: k.
    """

    def __init__(self, shape: FusionShape, width: int, terms: int, observables: int) -> None:
        super().__init__()
        dims = used(shape)
        self.channels = shape.channels
        self.projections = Projections(dims, width)
        self.embeddings = nn.ModuleDict({n: Embedding(width, terms, observables) for n in dims})
        self.output = nn.Linear((1 + len(dims)) * observables, shape.dims[shape.main])  # V, v

    def forward(self, inputs: Mapping[str, ModalityInput]) -> FusionOutput:
        streams = summary_streams(self.projections, inputs)
        terms = {n: self.embeddings[n](*streams[n], self.channels) for n in self.embeddings}
        there = {n: present(streams[n][1]).repeat_interleave(self.channels) for n in terms}
        joint, single, purity = self.measure(terms, there)
        found = torch.cat([joint, *single], dim=1)  # (B·c, (1 + n)·k)
        fused = self.output(found).unflatten(0, (-1, self.channels))
        return FusionOutput(fused, parts={"purity": purity.unflatten(0, (-1, self.channels))})

    def measure(
        self, terms: Mapping[str, Complex], there: Mapping[str, Tensor]
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """P (N, k), P_m of each modality, and the purity Tr ρ_m² (N, n), 1 where not entangled."""
        found = {
            n: one_where_missing(inner(a, a, "nsp,nrp->nsr"), there[n]) for n, a in terms.items()
        }
        single, purities, amplitudes = [], [], []
        for name, a in terms.items():
            environment = product([found[n] for n in terms if n != name])
            v = cast(Embedding, self.embeddings[name]).measured()
            amplitudes.append(one_where_missing(inner(v, a, "kp,nsp->nsk"), there[name]))
            own, purity = single_measurement(environment, found[name], amplitudes[-1])
            single.append(own * there[name][:, None].to(own.dtype))
            purities.append(purity * there[name].to(own.dtype))
        amplitude = product(amplitudes)  # of each term, (N, s, k)
        norm = product(list(found.values()))[0].sum(dim=(1, 2)).clamp(min=1e-12)[:, None]  # ⟨ψ|ψ⟩
        joint = (amplitude[0].sum(dim=1).square() + amplitude[1].sum(dim=1).square()) / norm
        some = torch.stack(list(there.values())).any(dim=0)[:, None].to(joint.dtype)
        return joint * some, single, torch.stack(purities, dim=1)


def product(factors: list[Complex]) -> Complex:
    """Of one factor or more, element by element."""
    result = factors[0]
    for factor in factors[1:]:
        result = times(result, factor)
    return result


def one_where_missing(value: Complex, there: Tensor) -> Complex:
    """The value (N, ., .), and 1 in rows that lack the modality."""
    kept = there[:, None, None]
    return torch.where(kept, value[0], 1.0), torch.where(kept, value[1], 0.0)


@register_model("qmf", dataclass=QMFConfig)
class QMF(AffectModel):
    """Any number of modalities."""

    @classmethod
    def build_fusion(cls, shape: FusionShape, cfg: Any) -> Fusion:
        terms, observables = at_least(1, cfg, "qmf_terms", "qmf_observables")
        return QuantumFusion(shape, check_width(cfg), terms, observables)
