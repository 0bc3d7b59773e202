"""Gather what trials of the training recipe left into one file for the card.

    python scripts/collect_trials.py data/models/opt-mini/trials.json NAME=FOLDER ...

Each FOLDER is the `--out` of one run of train_embedded.py; its training.json is kept whole under NAME.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def named_folder(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not (name and equals and (Path(folder) / "training.json").is_file()):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FOLDER with a training.json in FOLDER")
    return name, Path(folder)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("trials", type=named_folder, nargs="+", metavar="NAME=FOLDER")
    args = parser.parse_args(argv)
    facts = {name: json.loads((folder / "training.json").read_text("utf-8")) for name, folder in args.trials}
    args.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
