"""The report of `mia_fairseq.complexity` as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MILLION = 1e6
TABLE_10_CLASSES = 7  # of MELD, on which Sec. 5.6 compares
PAPER = {  # Table 10: FLOPs (M) and parameters (M), for three and for four modalities
    "tfn": ((137.97, 22.99), (9011.20, 1467.39)),
    "cim": ((37.80, 6.30), (51.95, 8.66)),
    "mha": ((75.63, 12.60), (108.70, 22.31)),
    "transformer": ((176.39, 54.61), (240.95, 81.12)),
    "cross_transformer": ((729.91, 159.52), (1116.16, 238.49)),
    "mia_net": ((42.10, 9.33), (48.94, 9.33)),
}
PARTS = ("fusion", "ffn", "head", "adapters")
RULES = (
    "Per utterance, everything counted, in millions. Operations are multiply-accumulates of matrix "
    "products and convolutions, plus every other operation and every exponential, each as one; "
    "exponentials are also told apart. What a fusion computes for its own loss alone, as mmim, "
    "misa, mib and bbfn do, is counted too. MIA-Net's attention of one channel is counted as a "
    "processor computes it, by a power series in float64; all else is in float32. The paper's "
    "figures (Table 10) look like multiply-accumulates of a batch of 6 without the attention's "
    "products, and of models that it does not describe, so they stand beside ours and are not "
    "comparable one to one."
)


def markdown(report: Mapping[str, Any]) -> str:
    """The whole report.

    Args:
        report: what ``--json`` writes.
    """
    lines = ["# Cost of the fusions", "", RULES, ""]
    lines += [_set_up(report), ""]
    for place, which in enumerate(("given", "with_one_more")):
        dims = report["modalities" if which == "given" else "with_one_more"]
        lines += [f"## {', '.join(f'{name} {dim}' for name, dim in dims.items())}", ""]
        lines += _costs(report["fusions"], which, place)
        if which == "with_one_more":
            lines += ["## What the one more modality adds", "", *_added(report["fusions"])]
    for arch, growth in report.get("growth", {}).items():
        lines += [f"## {arch} over the number of modalities", "", *_growth(growth)]
    return "\n".join(lines).rstrip() + "\n"


def _set_up(report: Mapping[str, Any]) -> str:
    settings = ", ".join(report["settings"]) or "the defaults"
    return (
        f"channels {report['channels']}, {report['steps']} vector(s) a sequence, "
        f"{report['outputs']} output(s), settings: {settings}."
    )


def _costs(fusions: Mapping[str, Any], which: str, place: int) -> list[str]:
    """The two tables of one set-up, and the sentences of those fusions that refuse it."""
    parameters, operations, refusals = [], [], []
    for arch, found in fusions.items():
        cost = found[which]
        if "refused" in cost:
            refusals.append(f"- {arch}: {cost['refused']}")
            continue
        paper_flops, paper_parameters = _paper(arch, place)
        sizes, counts = cost["parameters"], cost["operations"]
        cells = [_millions(sizes[part]) for part in ("fusion_ffn_head", *PARTS)]
        parameters.append([arch, *cells, paper_parameters])
        cells = [_millions(counts[p]["total"]) for p in ("fusion_ffn_head", *PARTS, "input")]
        cells.insert(1, _millions(counts["fusion_ffn_head"]["exponentials"]))
        operations.append([arch, *cells, paper_flops])
    parts = ("fusion", "FFN", "head", "adapters")
    total = "fusion + FFN + head"
    lines = ["Parameters (M):", "", *_table(("fusion", total, *parts, "paper"), parameters)]
    head = ("fusion", total, "of it exponentials", *parts, "input", "paper")
    lines += ["Operations (M):", "", *_table(head, operations)]
    return lines + (["Refused:", "", *refusals, ""] if refusals else [])


def _paper(arch: str, place: int) -> tuple[str, str]:
    """FLOPs and parameters of Table 10."""
    if arch not in PAPER:
        return "–", "–"
    flops, parameters = PAPER[arch][place]
    return f"{flops:.2f}", f"{parameters:.2f}"


def _added(fusions: Mapping[str, Any]) -> list[str]:
    rows = []
    for arch, found in fusions.items():
        if any("refused" in cost for cost in found.values()):
            continue
        before, after = found["given"], found["with_one_more"]
        parameters = [c["parameters"]["fusion_ffn_head"] for c in (before, after)]
        operations = [c["operations"]["fusion_ffn_head"]["total"] for c in (before, after)]
        adapters = [c["parameters"]["adapters"] for c in (before, after)]
        rows.append(
            [
                arch,
                f"{parameters[1] - parameters[0]:,}",
                f"{(parameters[1] - parameters[0]) / parameters[0]:.4%}",
                _millions(operations[1] - operations[0]),
                _millions(adapters[1] - adapters[0]),
                *_paper_added(arch),
            ]
        )
    head = ("fusion", "parameters", "share", "operations (M)", "adapters' parameters (M)")
    lines = _table((*head, "paper: parameters (M)", "paper: FLOPs (M)"), rows)
    return ["Fusion + FFN + head; adapters told apart.", "", *lines]


def _paper_added(arch: str) -> tuple[str, str]:
    if arch not in PAPER:
        return "–", "–"
    before, after = PAPER[arch]
    return f"{after[1] - before[1]:.2f}", f"{after[0] - before[0]:.2f}"


def _growth(growth: Mapping[str, Any]) -> list[str]:
    rows = zip(growth["modalities"], growth["operations"], growth["parameters"], strict=True)
    lines = _table(
        ("modalities", "ops: fusion + FFN + head (M)", "parameters (M)"),
        [[str(n), _millions(operations), _millions(size)] for n, operations, size in rows],
    )
    if growth["r_squared"] is not None:
        lines += [f"R² of a straight line through the operations: {growth['r_squared']:.5f}.", ""]
    return lines + (["Refused:", "", f"- {growth['refused']}", ""] if growth["refused"] else [])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(cells)} |" for cells in lines), ""]


def _millions(number: int) -> str:
    return f"{number / MILLION:.3f}"
