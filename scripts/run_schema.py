"""The JSON Schema of run.json, as the dataclasses of `modclaims.runs.run_json` say it.

python scripts/run_schema.py            prints it
python scripts/run_schema.py --write    writes it where the package keeps it
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from modclaims.runs.run_json import run_schema
from modclaims.shipped import PACKAGE

PLACE = PACKAGE / "run.schema.json"


def text() -> str:
    """The schema as its file has it."""
    return json.dumps(run_schema(), indent=1, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str]) -> int:
    """0 where it was printed or written; 4 for wrong usage."""
    if set(arguments) - {"--write"}:
        print(__doc__)
        return 4
    if arguments:
        PLACE.write_text(text(), "utf-8")
    else:
        print(text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
