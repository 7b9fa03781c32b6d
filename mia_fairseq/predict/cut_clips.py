"""Clips that are longer than an encoder reads: each is told once, with what to do."""

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mia_fairseq.data.views.cut_rows import cut_row, log_cut

if TYPE_CHECKING:
    from preprocess.extractors.base import Clip

logger = logging.getLogger(__name__)

WINDOWS = "give --windows, for an answer to each stretch of speech"


class CutClips:
    """What has been told, by modality and clip; models that answer together share one."""

    def __init__(self) -> None:
        self._told: set[tuple[object, ...]] = set()

    def cut(
        self, modality: str, arrays: Sequence[NDArray[Any]], clips: Sequence["Clip"], limit: int
    ) -> list[NDArray[Any]]:
        """The arrays of clips, (T, *item) each, with T at most ``limit``; what is cut is told."""
        new = [self._is_new(modality, clip.id, clip.start, limit) for clip in clips]
        lengths = np.array([len(array) * fresh for array, fresh in zip(arrays, new, strict=True)])
        log_cut("clips", modality, lengths, limit, lambda place: clips[place].id, WINDOWS)
        return [cut_row(array, limit) for array in arrays]

    def tell(self, modality: str, notes: Iterable[tuple[str, str]]) -> None:
        """Tells of what extractors have cut.

        Args:
            modality: its name.
            notes: (id of a clip, what was done to it).
        """
        from preprocess.extractors.base import CUT

        for clip, remark in notes:
            if CUT in remark and self._is_new(modality, clip, remark):
                logger.warning("%s: %s: %s; %s", clip, modality, remark.partition(";")[0], WINDOWS)

    def _is_new(self, *what: object) -> bool:
        known = what in self._told
        self._told.add(what)
        return not known
