"""The task's settings, and the defaults that it gives fairseq's own."""

from dataclasses import dataclass, field
from typing import Optional

from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from omegaconf import MISSING

BALANCES = ChoiceEnum(["none", "corpus"])

PAPER_DEFAULTS = {  # Sec. 4.3, as fairseq's command line names them
    "lr": "1.7e-5",
    "batch_size": 18,
    "max_epoch": 50,
    "patience": 6,
}
OUR_DEFAULTS = {
    # Batches are read from the disk's cache faster than a worker could hand them over.
    "num_workers": 0,
    # One file an epoch would fill the disk; the best and the last one stay.
    "no_epoch_checkpoints": True,
    "keep_interval_updates": 1,
    # Otherwise rank 1 gets the checkpoint as a pickle that torch >= 2.6 refuses.
    "load_checkpoint_on_all_dp_ranks": True,
    # Room for a whole split's predictions on one rank, in bytes.
    "all_gather_list_size": 1 << 20,
}


@dataclass
class MultimodalAffectConfig(FairseqDataclass):
    """Settings of the task."""

    data: str = field(default=MISSING, metadata={"help": "DATA folder, made by preprocess"})
    fold: Optional[int] = field(
        default=None,
        metadata={
            "help": "cross-validation: rows of this fold are test, of the next one valid, all "
            "others train, whatever DATA's tables say (default: as they say)"
        },
    )
    main_modality: str = field(
        default="text", metadata={"help": "the modality that the others improve"}
    )
    aux_modalities: str = field(
        default="audio,video",
        metadata={"help": "the others, by commas, in the order in which they are fused"},
    )
    derive: str = field(
        default="",
        metadata={
            "help": "further auxiliaries that are learned linear maps of modalities (Table 7), "
            "such as audio2=linear(audio),video2=linear(video)"
        },
    )
    context: str = field(
        default="",
        metadata={
            "help": "further auxiliaries that are means over the neighbours in a video or "
            "dialogue: text[-3:-1] the three utterances before, text[+1:+3] those after, "
            "text[group] all; for live use give only ranges that lie before"
        },
    )
    further_labels: str = field(
        default="",
        metadata={
            "help": "further labels of DATA that are learnt beside the label, by commas; one that "
            "is named like a modality is told from that modality alone, others from all"
        },
    )
    further_weight: float = field(
        default=1.0, metadata={"help": "weight of each further label's loss beside the label's"}
    )
    surroundings: str = field(
        default="",
        metadata={
            "help": "what an encoder reads around each utterance of a token modality, whose own "
            "vectors then go on: text[-2:+2] two utterances before and two after; for live use "
            "such as text[-2:0]"
        },
    )
    read: str = field(
        default="rows",
        metadata={
            "help": "what an encoder of tokens reads at once: rows, one utterance at a time; "
            "dialogue, a whole dialogue or video; dialogue-past, the same with nothing that comes "
            "later, for live use. Batches are then whole dialogues with at most --batch-size rows"
        },
    )
    speakers: str = field(
        default="none",
        metadata={
            "help": "with --read dialogue: what stands before each utterance: none, names, or "
            "roles (1 for who speaks first in a dialogue), which need not know the cast"
        },
    )
    group_by_length: bool = field(
        default=False,
        metadata={
            "help": "training batches of token sequences of like length: less padding, so faster, "
            "but the batches are no fair samples any more, which may cost accuracy"
        },
    )
    bf16_if_faster: bool = field(
        default=False,
        metadata={
            "help": "as --bf16 where the processor has instructions for bfloat16, else float32; a "
            "training that goes on keeps the precision of its checkpoint"
        },
    )
    balance: BALANCES = field(  # type: ignore[valid-type]
        default="none",
        metadata={
            "help": "corpus: of a DATA made by preprocess.unite, each corpus gives an equal share "
            "of an epoch's rows; a small one is repeated, a large one seen in part, anew each time"
        },
    )
    drop: str = field(
        default="",
        metadata={
            "help": "fairseq-validate: take these modalities from every row; with a share, such as "
            "audio=0.2, from that share of the rows"
        },
    )
    noise: str = field(
        default="",
        metadata={
            "help": "fairseq-validate: add Gaussian noise to modalities, in standard deviations "
            "of each column in the training split, such as audio=1.0,video=0.5"
        },
    )
    misalign: str = field(
        default="",
        metadata={"help": "fairseq-validate: give each row these modalities of another row"},
    )
    perturbation_seed: int = field(
        default=1,
        metadata={"help": "fairseq-validate: seed of --noise, --misalign and of shares of --drop"},
    )
    results_json: Optional[str] = field(
        default=None, metadata={"help": "fairseq-validate: write the split's metrics here"}
    )
    predictions: Optional[str] = field(
        default=None, metadata={"help": "fairseq-validate: write each row's prediction here (TSV)"}
    )
