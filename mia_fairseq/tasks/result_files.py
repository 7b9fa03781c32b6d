"""The files that fairseq-validate writes of a split: its metrics and its predictions."""

import torch

from mia_fairseq.data.schema import Schema
from mia_fairseq.data.views.perturbation import Perturbation
from mia_fairseq.meter import WholeSplitMeter


class ResultFiles:
    """Told of each evaluated split, writes what was asked for.

    Args:
        results: where the metrics go (JSON); None for nowhere.
        predictions: where each row's prediction goes (TSV); None for nowhere.
        perturbation: what evaluation does to the split.
    """

    def __init__(
        self, results: str | None, predictions: str | None, perturbation: Perturbation
    ) -> None:
        self.results, self.predictions = results, predictions
        self.perturbation = perturbation

    def __call__(self, meter: WholeSplitMeter, schema: Schema) -> None:
        """Writes the files of one split, on one process only.

        Args:
            meter: of the split, filled.
            schema: what the model reads.

        Raises:
            InputError: a row is lost, seen twice, or its output is NaN or Inf.
        """
        meter.check()
        if torch.distributed.is_initialized() and torch.distributed.get_rank() != 0:
            return
        if self.predictions:  # first, so that results mean that both are there
            meter.write_predictions(self.predictions)
        if self.results:
            derived = {name: str(how) for name, how in schema.derived.items()}
            around, reading = schema.described_surroundings, schema.reading.to_json()
            parts = meter.part_means()
            corpus = meter.split.store.corpus
            meter.write_results(
                self.results,
                {
                    "corpus": corpus,
                    **({} if corpus == schema.corpus else {"trained_on": schema.corpus}),
                    "modalities": list(schema.used),
                    **({"derived": derived} if derived else {}),
                    **({"surroundings": around} if around else {}),
                    **({"reading": reading} if reading else {}),
                    **self.perturbation.to_json(),
                    **({"parts": parts} if parts else {}),
                },
            )
