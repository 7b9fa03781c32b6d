"""Puts the paper's three encoders into one folder, as links: the user's own, or fetched ones.

python -m examples.recipes.paper_encoders.encoders --text FOLDER --audio fetched --out FOLDER
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mia_fairseq.command import run as run_command
from mia_fairseq.pretrained.fabnet_network import find_fabnet
from preprocess.extractors.roberta_large import find_roberta
from preprocess.extractors.vqwav2vec import find_speech

FETCHED = "fetched"


def main(argv: Sequence[str] | None = None) -> None:
    """Finds or fetches the encoders and links them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--text", default=FETCHED, help="folder of RoBERTa-large")
    parser.add_argument("--audio", default=FETCHED, help="vq-wav2vec and the speech RoBERTa")
    parser.add_argument("--video", default=FETCHED, help="FAb-Net's file")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    own = {
        name: None if getattr(args, name) == FETCHED else getattr(args, name)
        for name in ("text", "audio", "video")
    }
    found = {
        "text": find_roberta(own["text"], "model.pt", "dict.txt"),
        "audio": find_speech(own["audio"]),
        "video": find_fabnet(own["video"] or ""),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    for name, path in found.items():
        link = args.out / name
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())


if __name__ == "__main__":
    run_command(main)
