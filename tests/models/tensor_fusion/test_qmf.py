"""QMF against the whole tensor of the joint state, written out, and its partial traces."""

import torch
from fusion_inputs import DIMS, inputs_of, shape_of, without

from mia_fairseq.models.modality_streams import summary_streams
from mia_fairseq.models.tensor_fusion.qmf import QuantumFusion

WIDTH, TERMS, OBSERVABLES = 3, 2, 5


def measured(fusion: QuantumFusion, inputs):
    streams = summary_streams(fusion.projections, inputs)
    terms = {n: fusion.embeddings[n](*streams[n], fusion.channels) for n in DIMS}
    there = {n: streams[n][1].any(dim=1).repeat_interleave(fusion.channels) for n in DIMS}
    return terms, fusion.measure(terms, there)


def fusion() -> QuantumFusion:
    torch.manual_seed(0)
    return QuantumFusion(shape_of(), WIDTH, TERMS, OBSERVABLES).double()


def test_measurements_of_the_tensor_written_out() -> None:
    model = fusion()
    terms, (joint, single, purity) = measured(model, inputs_of())
    a = {n: torch.complex(*pair) for n, pair in terms.items()}
    v = {n: torch.complex(*model.embeddings[n].measured()) for n in DIMS}
    for row in range(len(joint)):
        psi = sum(
            torch.einsum("i,j,k->ijk", *(a[n][row, s] for n in DIMS)) for s in range(TERMS)
        )  # (p, p, p)
        psi = psi / psi.flatten().norm()
        for k in range(OBSERVABLES):
            amplitude = torch.einsum("i,j,k,ijk->", *(v[n][k].conj() for n in DIMS), psi)
            assert torch.allclose(joint[row, k], amplitude.abs() ** 2)
        for place, name in enumerate(DIMS):
            others = psi.movedim(place, 0).flatten(1)
            rho = others @ others.conj().T  # the partial trace
            assert torch.allclose(rho.diagonal().sum().real, torch.tensor(1.0).double())
            assert torch.allclose(rho, rho.conj().T)
            for k in range(OBSERVABLES):
                expected = (v[name][k].conj() @ rho @ v[name][k]).real
                assert torch.allclose(single[place][row, k], expected)
            assert torch.allclose(purity[row, place], (rho @ rho).diagonal().sum().real)


def test_one_term_entangles_nothing() -> None:
    torch.manual_seed(0)
    model = QuantumFusion(shape_of(), WIDTH, 1, OBSERVABLES).double()
    purity = model(inputs_of()).parts["purity"]
    assert torch.allclose(purity, torch.ones_like(purity))
    mixed = fusion()(inputs_of()).parts["purity"]
    assert (mixed < 1).all()


def test_a_missing_modality_is_no_factor() -> None:
    model = fusion()
    terms, (joint, single, _) = measured(model, without(inputs_of(), "audio"))
    a = {n: torch.complex(*terms[n]) for n in ("text", "video")}
    v = {n: torch.complex(*model.embeddings[n].measured()) for n in ("text", "video")}
    psi = sum(torch.einsum("i,j->ij", a["text"][0, s], a["video"][0, s]) for s in range(TERMS))
    psi = psi / psi.flatten().norm()
    amplitude = torch.einsum("i,j,ij->", v["text"][0].conj(), v["video"][0].conj(), psi)
    assert torch.allclose(joint[0, 0], amplitude.abs() ** 2)
    assert not single[1].any()


def test_probabilities_lie_between_0_and_1() -> None:
    _, (joint, single, _) = measured(fusion(), inputs_of())
    for found in (joint, *single):
        assert (found >= 0).all() and (found <= 1).all()
