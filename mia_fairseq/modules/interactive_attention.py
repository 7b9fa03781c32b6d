"""Multi-modal interactive attention, Eq. 1-5 (Sec. 3.2.1): written out, and fast.

B batch, c channels, d_m main dim, d_a auxiliary dim. Main M (B, c, d_m), auxiliary A (B, c, d_a),
kernel W (c, c).

`written_out_attention` is the paper's equations as they stand. `interactive_attention` equals it to
a tolerance and is what the model runs: it never keeps S or P, of d_a x d_m numbers a sample. One
channel has a closed form (`fast_attention`); more channels are scaled-dot-product attention with
queries M^T, keys A^T W, values A^T and scale 1.
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from mia_fairseq.errors import InputError
from mia_fairseq.modules.fast_attention.closed_form import (
    all_degrees,
    attend_by_reach,
    closed_form_attention,
    degrees_worthwhile,
)

Method = Literal["auto", "exact", "chebyshev"]


def attention_weights(main: Tensor, aux: Tensor, kernel: Tensor) -> Tensor:
    """P of Eq. 1-3: how much main column j takes from each auxiliary column i.

    Args:
        main: (B, c, d_m).
        aux: (B, c, d_a).
        kernel: W, (c, c).

    Returns:
        (B, d_a, d_m); each column sums to 1.
    """
    affinity = torch.einsum("bci,ck,bkj->bij", aux, kernel, main)  # S_ij = A_i^T W M_j, Eq. 1-2
    return affinity.softmax(dim=1)  # P_ji, Eq. 3: over the auxiliary's columns i


def written_out_attention(main: Tensor, aux: Tensor, kernel: Tensor) -> Tensor:
    """M-hat of Eq. 1-5: each main column becomes a mean of the auxiliary's columns.

    Args:
        main: (B, c, d_m).
        aux: (B, c, d_a).
        kernel: W, (c, c).

    Returns:
        (B, c, d_m).
    """
    weights = attention_weights(main, aux, kernel)  # P, Eq. 3: (B, d_a, d_m)
    return torch.einsum("bci,bij->bcj", aux, weights)  # M-hat_j = sum_i A_i P_ji, Eq. 4-5


TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


def interactive_attention(
    main: Tensor,
    aux: Tensor,
    kernel: Tensor,
    *,
    tolerance: float | None = None,
    method: Method = "auto",
) -> Tensor:
    """`written_out_attention`, Eq. 1-5, to a tolerance and without S and P.

    Half precision and autocast are computed in float32.

    Args:
        main: M, (B, c, d_m).
        aux: A, (B, c, d_a). A missing modality is all zeros and gives zeros.
        kernel: W of Eq. 1, (c, c).
        tolerance: for one channel, the relative size of the interpolant's last coefficients at
            which a row has nodes enough; by default 1e-6 in float32 and 1e-12 in float64.
        method: for one channel, `auto` takes a power series where that is enough, and interpolates
            elsewhere if that is cheaper than the exact form; `exact` does neither, and `chebyshev`
            interpolates at any cost. Rows that do not reach the tolerance take the exact form.

    Returns:
        M-hat, (B, c, d_m), of main's type. Differentiable once with one channel.

    Raises:
        InputError: the shapes do not fit together, or there is no such method.
    """
    _check(main, aux, kernel, method)
    kind = torch.promote_types(torch.promote_types(main.dtype, aux.dtype), kernel.dtype)
    kind = torch.promote_types(kind, torch.float32)
    with torch.autocast(main.device.type, enabled=False):
        m, a, w = main.to(kind), aux.to(kind), kernel.to(kind)
        # A traced graph, say for ONNX, cannot choose a row's number of nodes.
        if len(kernel) > 1 or torch.jit.is_tracing():
            multiple = 1 if main.device.type == "cpu" else 8
            return _attend(m, a, w, multiple).to(main.dtype)
        if tolerance is None:
            tolerance = TOLERANCE[kind]
        queries, entries = (w * m).squeeze(1), a.squeeze(1)  # t and a of the closed form
        if method == "auto":
            degrees = degrees_worthwhile(m.shape[2], a.shape[2])
            updated = attend_by_reach(queries, entries, tolerance, degrees)
        else:
            degrees = all_degrees() if method == "chebyshev" else ()
            updated = closed_form_attention(queries, entries, tolerance, degrees)
        return updated[:, None].to(main.dtype)


def _attend(main: Tensor, aux: Tensor, kernel: Tensor, multiple: int) -> Tensor:
    """Eq. 1-5 by scaled-dot-product attention.

    PyTorch takes a kernel that keeps nothing of size d_a x d_m only for rows whose channels lie
    side by side in memory and, on a GPU, only for a `multiple` of 8 channels (in float64 there,
    never). Zero channels change neither the products nor the sums.
    """
    channels = main.shape[1]
    values = aux.transpose(1, 2)  # A^T: (B, d_a, c)
    parts = (main.transpose(1, 2), values @ kernel, values)  # M^T, A^T W, A^T
    query, key, value = (
        F.pad(part, (0, -channels % multiple)).unsqueeze(1).contiguous() for part in parts
    )
    out = F.scaled_dot_product_attention(query, key, value, scale=1.0)
    return out[:, 0, :, :channels].transpose(1, 2)


def _check(main: Tensor, aux: Tensor, kernel: Tensor, method: str) -> None:
    fits = (
        main.dim() == aux.dim() == 3
        and main.shape[:2] == aux.shape[:2]
        and min(*main.shape[1:], *aux.shape[1:]) > 0
        and kernel.shape == (main.shape[1], main.shape[1])
    )
    if not fits:
        raise InputError(
            f"interactive attention got main {tuple(main.shape)}, auxiliary {tuple(aux.shape)} and "
            f"kernel {tuple(kernel.shape)}, but needs (B, c, d_m), (B, c, d_a) and (c, c), "
            "none of c, d_m and d_a zero; give both modalities the same batch and channels"
        )
    known = get_args(Method)
    if method not in known:
        raise InputError(
            f"interactive attention got method {method!r}, but knows {', '.join(known)}; "
            "take one of these"
        )
