"""modclaims: test modularity claims about transformer language models.

Names resolve on first use (PEP 562), so that `import modclaims` loads the standard library alone: command line help, the pytest
plugin, which every pytest session of an environment loads, and a claim's file that is only looked at cost nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modclaims.families.ablation_specificity import AblationSpecificity
    from modclaims.families.ablation_sufficiency import AblationSufficiency
    from modclaims.families.axes_against_rotations import AxesAgainstRotations
    from modclaims.families.axis_streams import AxisStreams
    from modclaims.families.category_clustering import CategoryClustering
    from modclaims.families.first_token_attention import AttentionSinks, FirstTokenAttention
    from modclaims.families.head_magnitudes import HeadMagnitudes, QuietMiddle
    from modclaims.families.head_selectivity import HeadsAgainstBlocks, HeadSelectivity
    from modclaims.families.heavy_tails import HeavyTails
    from modclaims.families.induction import InductionExplanation, InductionHeads
    from modclaims.families.input_outside_unembedding import InputOutsideUnembedding
    from modclaims.families.input_reconstruction import InputReconstruction
    from modclaims.families.leading_values import LeadingValues
    from modclaims.families.low_rank_similarity import LowRankSimilarity
    from modclaims.families.models_differ import ModelsDiffer
    from modclaims.families.residual_phases import ResidualPhases
    from modclaims.families.scale_trend import ScaleTrend
    from modclaims.families.similarity_levels import SimilarityLevels
    from modclaims.families.subspace_separation import SubspaceSeparation
    from modclaims.families.targeted_ablation import TargetedAblation
    from modclaims.families.tight_pass import TighterThanAttention, TightestAt, TightPass
    from modclaims.families.token_directions import OVDirections, QKDirections
    from modclaims.families.token_neuron_congruence import TokenNeuronCongruence
    from modclaims.families.weight_clusterability import WeightClusterability
    from modclaims.families.within_versus_style import WithinVersusStyle
    from modclaims.hypothesis import Hypothesis
    from modclaims.stats.quantifiers import along_depth, at, everywhere, in_fraction, somewhere

__version__ = "0.1.0"

__all__ = [
    "AblationSpecificity",
    "AblationSufficiency",
    "AttentionSinks",
    "AxesAgainstRotations",
    "AxisStreams",
    "CategoryClustering",
    "FirstTokenAttention",
    "HeadMagnitudes",
    "HeadSelectivity",
    "HeadsAgainstBlocks",
    "HeavyTails",
    "Hypothesis",
    "InductionExplanation",
    "InductionHeads",
    "InputOutsideUnembedding",
    "InputReconstruction",
    "LeadingValues",
    "LowRankSimilarity",
    "ModelsDiffer",
    "OVDirections",
    "QKDirections",
    "QuietMiddle",
    "ResidualPhases",
    "ScaleTrend",
    "SimilarityLevels",
    "SubspaceSeparation",
    "TargetedAblation",
    "TightPass",
    "TighterThanAttention",
    "TightestAt",
    "TokenNeuronCongruence",
    "WeightClusterability",
    "WithinVersusStyle",
    "along_depth",
    "at",
    "everywhere",
    "in_fraction",
    "somewhere",
]

_HOMES = {
    "AblationSpecificity": "families.ablation_specificity",
    "AblationSufficiency": "families.ablation_sufficiency",
    "AttentionSinks": "families.first_token_attention",
    "AxesAgainstRotations": "families.axes_against_rotations",
    "AxisStreams": "families.axis_streams",
    "CategoryClustering": "families.category_clustering",
    "FirstTokenAttention": "families.first_token_attention",
    "HeadMagnitudes": "families.head_magnitudes",
    "HeadSelectivity": "families.head_selectivity",
    "HeadsAgainstBlocks": "families.head_selectivity",
    "HeavyTails": "families.heavy_tails",
    "Hypothesis": "hypothesis",
    "InductionExplanation": "families.induction",
    "InductionHeads": "families.induction",
    "InputOutsideUnembedding": "families.input_outside_unembedding",
    "InputReconstruction": "families.input_reconstruction",
    "LeadingValues": "families.leading_values",
    "LowRankSimilarity": "families.low_rank_similarity",
    "ModelsDiffer": "families.models_differ",
    "OVDirections": "families.token_directions",
    "QKDirections": "families.token_directions",
    "QuietMiddle": "families.head_magnitudes",
    "ResidualPhases": "families.residual_phases",
    "ScaleTrend": "families.scale_trend",
    "SimilarityLevels": "families.similarity_levels",
    "SubspaceSeparation": "families.subspace_separation",
    "TargetedAblation": "families.targeted_ablation",
    "TightPass": "families.tight_pass",
    "TighterThanAttention": "families.tight_pass",
    "TightestAt": "families.tight_pass",
    "TokenNeuronCongruence": "families.token_neuron_congruence",
    "WeightClusterability": "families.weight_clusterability",
    "WithinVersusStyle": "families.within_versus_style",
    "along_depth": "stats.quantifiers",
    "at": "stats.quantifiers",
    "everywhere": "stats.quantifiers",
    "in_fraction": "stats.quantifiers",
    "somewhere": "stats.quantifiers",
}
"""Where each public name is defined, below the package."""


def __getattr__(name: str) -> object:
    """A public name, from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Public names, whether they were used or not."""
    return sorted({*globals(), *__all__})
