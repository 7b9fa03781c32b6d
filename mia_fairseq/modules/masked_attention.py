"""Attention and Transformer layers that never look at padding, even where all is padding.

B batch, Q query tokens, T key tokens, p their width. A mask is True where there is data.
"""

from typing import cast

import torch
from torch import Tensor, nn


def attend(attention: nn.MultiheadAttention, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
    """Multi-head attention over the keys inside the mask.

    Args:
        attention: made with ``batch_first=True``.
        queries: (B, Q, p).
        keys: (B, T, p), the values too.
        mask: (B, T).

    Returns:
        (B, Q, p); zeros for rows with no key at all, where a softmax would be 0/0.
    """
    attended, _ = attention(
        queries, keys, keys, key_padding_mask=padding_of(mask), need_weights=False
    )
    return cast(Tensor, attended * some(mask).to(attended.dtype))


def padding_of(mask: Tensor) -> Tensor:
    """What torch calls a key padding mask, with one key left open in rows that have none.

    Such a row's output means nothing and must be set to zero; NaN could not be, nor its gradient.
    """
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    return ~mask & ~(first & ~mask.any(dim=1, keepdim=True))


def some(mask: Tensor) -> Tensor:
    """(B, T) → (B, 1, 1): True for rows that have any token."""
    return mask.any(dim=1)[:, None, None]


def masked_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """(B, T, p) → (B, p): the mean of the tokens inside the mask (B, T), zeros for none."""
    inside = mask.to(tokens.dtype)
    total = torch.einsum("btp,bt->bp", tokens, inside)
    return total / inside.sum(dim=1, keepdim=True).clamp(min=1)


class MaskedTransformer(nn.Module):
    """A pre-norm Transformer encoder of torch's own layers, with a last layer norm.

    Args:
        width: p.
        layers, heads: their numbers; `heads` divides p.
        dropout: in attention and feed-forward network (hidden width 4p).
    """

    def __init__(self, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(
            layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )

    def forward(self, tokens: Tensor, mask: Tensor, first: int | None = None) -> Tensor:
        """(B, T, p) → (B, T, p), or (B, first, p).

        A token outside the mask is never read, but is itself computed from those inside: the
        caller may use it as a question. Rows with no token inside come out as zeros.

        Args:
            tokens: (B, T, p).
            mask: (B, T).
            first: how many of the first tokens are wanted (default: all). The last layer is spared
                for the others, which only it would not read again.
        """
        padding = padding_of(mask)
        if first is None or first >= tokens.shape[1]:
            output = self.encoder(tokens, src_key_padding_mask=padding)
        else:
            *layers, last = self.encoder.layers
            for layer in layers:
                tokens = layer(tokens, src_key_padding_mask=padding)
            output = self.encoder.norm(_first_of_layer(last, tokens, padding, first))
        return cast(Tensor, output * some(mask).to(output.dtype))


def _first_of_layer(
    layer: nn.TransformerEncoderLayer, tokens: Tensor, padding: Tensor, first: int
) -> Tensor:
    """torch's pre-norm layer at its first tokens, (B, T, p) → (B, first, p)."""
    keys = layer.norm1(tokens)
    answer, _ = layer.self_attn(
        keys[:, :first], keys, keys, key_padding_mask=padding, need_weights=False
    )
    mixed = tokens[:, :first] + layer.dropout1(answer)
    hidden = layer.dropout(layer.activation(layer.linear1(layer.norm2(mixed))))
    return cast(Tensor, mixed + layer.dropout2(layer.linear2(hidden)))


class CrossModalLayer(nn.Module):
    """One layer of a cross-modal Transformer: the target asks, the source answers.

    Tsai et al., ACL 2019, Eq. 4: ẑ = attention(LN(target), LN(source)) + LN(target), then
    z = FFN(LN(ẑ)) + LN(ẑ).
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.target_norm, self.source_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ffn_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.ffn = nn.Sequential(
            nn.Linear(width, 4 * width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )

    def forward(self, target: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        """(B, Q, p) from target (B, Q, p) and source (B, T, p), masked by (B, T)."""
        asked = self.target_norm(target)
        answer = attend(self.attention, asked, self.source_norm(source), source_mask)
        mixed = self.ffn_norm(self.dropout(answer) + asked)
        output: Tensor = self.dropout(self.ffn(mixed)) + mixed
        return output


class CrossModalTransformer(nn.Module):
    """Layers through which a target modality is told, again and again, by the same source.

    Args:
        width, layers, heads, dropout: as in `MaskedTransformer`.
    """

    def __init__(self, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList([CrossModalLayer(width, heads, dropout) for _ in range(layers)])

    def forward(self, target: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        """(B, Q, p); every layer reads the source's first level, as Tsai et al. do."""
        for layer in self.layers:
            target = layer(target, source, source_mask)
        return target
