"""A claim weighed and judged alone, as tests of families need it."""

from __future__ import annotations

from collections.abc import Sequence

from modclaims.hypothesis import Hypothesis
from modclaims.look import Weighing
from modclaims.recording import Recording
from modclaims.runs.weighing import weigh
from modclaims.stats.evidence import Exhibit
from modclaims.verdict import Verdict, judge
from modclaims.weighed import Weighed


def judged(
    claim: Hypothesis, recording: Recording, weighing: Weighing, alpha: float = 0.05
) -> tuple[Verdict, Weighed, Sequence[Exhibit]]:
    """The claim's verdict with nothing to correct for, what it is read from, and its figures."""
    weighed, exhibits = weigh(claim, recording, weighing)
    return judge({"claim": weighed}, alpha=alpha, correction="holm")["claim"], weighed, exhibits
