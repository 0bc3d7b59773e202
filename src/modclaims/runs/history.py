"""History: what the log of this machine knows of a run's claims, and learns of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modclaims.claim_set import KeptLevels
from modclaims.corpus import Corpus
from modclaims.recording import ModelShape
from modclaims.runs.digests import level_key, network_digest, noted_claim
from modclaims.runs.facts import Before
from modclaims.runs.planned import Planned
from modclaims.runs.run_log import RunLog
from modclaims.runs.settings import Settings
from modclaims.summaries import TestSummary
from modclaims.verdict import Verdict


@dataclass(frozen=True)
class History:
    """The log with the hashes by which it knows a run's corpus, network and claims; without a log, nothing is known."""

    log: RunLog | None
    corpus: str
    network: str
    claims: Mapping[str, str]
    """Hash of each claim that could be loaded, by its id."""
    levels: Mapping[str, str]
    """Key of the levels of each claim that can be weighed, by its id."""

    @classmethod
    def of(
        cls, log: RunLog | None, plans: Sequence[Planned], corpus: Corpus, shape: ModelShape, settings: Settings
    ) -> History:
        """That of all claims collected, selected or not."""
        return cls(
            log,
            corpus.digest,
            network_digest(shape),
            {p.collected.id: noted_claim(p, shape) for p in plans if p.collected.claim is not None},
            {p.collected.id: level_key(p, corpus, shape, settings) for p in plans if p.outcome is None},
        )

    def kept(self, others: Sequence[Planned]) -> tuple[KeptLevels, ...]:
        """What earlier runs left of claims that this one could weigh and does not."""
        keys = [self.levels[plan.collected.id] for plan in others if plan.outcome is None]
        if self.log is None or not keys:
            return ()
        found = self.log.levels(keys)
        return tuple(found[key] for key in keys if key in found)

    def before(self) -> Before:
        """How many other claims, and other settings of these, were weighed before."""
        if self.log is None:
            return Before()
        weighable = [self.claims[name] for name in self.levels]
        return Before(
            self.log.others(self.corpus, self.network, self.claims.values()),
            self.log.reruns(self.corpus, self.network, weighable, self.levels.values()),
        )

    def note(self, weighed: Mapping[str, TestSummary], verdicts: Mapping[str, Verdict]) -> None:
        """Add the claims of a finished run."""
        if self.log is not None:
            self.log.add(
                self.corpus,
                self.network,
                {self.claims[name]: verdicts[name].outcome.word for name in weighed},
                {
                    self.levels[n]: KeptLevels(w.p_plus, w.p_minus, w.mc_plus[1], w.mc_minus[1])
                    for n, w in weighed.items()
                },
            )
