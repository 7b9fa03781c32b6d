"""bc-LSTM: Poria et al., "Context-Dependent Sentiment Analysis in User-Generated Videos" (2017).

A bidirectional LSTM over the utterances of a video or dialogue. Speakers are not told apart.
"""

from torch import Tensor, nn

from mia_fairseq.conversations.conversation import Conversation, packed, register_conversation


@register_conversation("bc_lstm")
class BcLSTM(Conversation):
    """One layer; with `past` it runs forwards only, the paper's sc-LSTM."""

    def __init__(self, dim: int, hidden: int, dropout: float, *, past: bool) -> None:
        super().__init__(dim, hidden, dropout, past=past)
        self.lstm = nn.LSTM(dim, hidden, batch_first=True, bidirectional=not past)
        self.output_dim = hidden * (1 if past else 2)

    def forward(self, utterances: Tensor, mask: Tensor, speakers: Tensor) -> Tensor:
        return packed(self.lstm, self.dropout(utterances), mask.sum(1))  # (D, U, e)
