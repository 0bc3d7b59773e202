"""modclaims: test modularity claims about transformer language models.

Names resolve on first use (PEP 562), so that `import modclaims` loads the standard library alone: command line help, the pytest
plugin, which every pytest session of an environment loads, and a claim's file that is only looked at cost nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modclaims.families.ablation.ablation_specificity import AblationSpecificity
    from modclaims.families.ablation.ablation_sufficiency import AblationSufficiency
    from modclaims.families.ablation.targeted_ablation import TargetedAblation
    from modclaims.families.axes.axes_against_rotations import AxesAgainstRotations
    from modclaims.families.axes.axis_streams import AxisStreams
    from modclaims.families.axes.heavy_tails import HeavyTails
    from modclaims.families.categories.category_clustering import CategoryClustering
    from modclaims.families.categories.induction_explanation import InductionExplanation
    from modclaims.families.categories.low_rank_similarity import LowRankSimilarity
    from modclaims.families.categories.similarity_levels import SimilarityLevels
    from modclaims.families.categories.subspace_separation import SubspaceSeparation
    from modclaims.families.categories.within_versus_style import WithinVersusStyle
    from modclaims.families.depth.first_token_attention import AttentionSinks, FirstTokenAttention
    from modclaims.families.depth.head_magnitudes import HeadMagnitudes, QuietMiddle
    from modclaims.families.depth.residual_phases import ResidualPhases
    from modclaims.families.induction.induction_heads import InductionHeads
    from modclaims.families.jacobians.leading_values import LeadingValues
    from modclaims.families.jacobians.tight_pass import TightPass
    from modclaims.families.jacobians.tighter_than_attention import TighterThanAttention
    from modclaims.families.jacobians.tightest_at import TightestAt
    from modclaims.families.responses.head_selectivity import HeadsAgainstBlocks, HeadSelectivity
    from modclaims.families.scale.models_differ import ModelsDiffer
    from modclaims.families.scale.scale_trend import ScaleTrend
    from modclaims.families.tokens.input_outside_unembedding import InputOutsideUnembedding
    from modclaims.families.tokens.input_reconstruction import InputReconstruction
    from modclaims.families.weights.token_directions import OVDirections, QKDirections
    from modclaims.families.weights.token_neuron_congruence import TokenNeuronCongruence
    from modclaims.families.weights.weight_clusterability import WeightClusterability
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
    "AblationSpecificity": "families.ablation.ablation_specificity",
    "AblationSufficiency": "families.ablation.ablation_sufficiency",
    "AttentionSinks": "families.depth.first_token_attention",
    "AxesAgainstRotations": "families.axes.axes_against_rotations",
    "AxisStreams": "families.axes.axis_streams",
    "CategoryClustering": "families.categories.category_clustering",
    "FirstTokenAttention": "families.depth.first_token_attention",
    "HeadMagnitudes": "families.depth.head_magnitudes",
    "HeadSelectivity": "families.responses.head_selectivity",
    "HeadsAgainstBlocks": "families.responses.head_selectivity",
    "HeavyTails": "families.axes.heavy_tails",
    "Hypothesis": "hypothesis",
    "InductionExplanation": "families.categories.induction_explanation",
    "InductionHeads": "families.induction.induction_heads",
    "InputOutsideUnembedding": "families.tokens.input_outside_unembedding",
    "InputReconstruction": "families.tokens.input_reconstruction",
    "LeadingValues": "families.jacobians.leading_values",
    "LowRankSimilarity": "families.categories.low_rank_similarity",
    "ModelsDiffer": "families.scale.models_differ",
    "OVDirections": "families.weights.token_directions",
    "QKDirections": "families.weights.token_directions",
    "QuietMiddle": "families.depth.head_magnitudes",
    "ResidualPhases": "families.depth.residual_phases",
    "ScaleTrend": "families.scale.scale_trend",
    "SimilarityLevels": "families.categories.similarity_levels",
    "SubspaceSeparation": "families.categories.subspace_separation",
    "TargetedAblation": "families.ablation.targeted_ablation",
    "TightPass": "families.jacobians.tight_pass",
    "TighterThanAttention": "families.jacobians.tighter_than_attention",
    "TightestAt": "families.jacobians.tightest_at",
    "TokenNeuronCongruence": "families.weights.token_neuron_congruence",
    "WeightClusterability": "families.weights.weight_clusterability",
    "WithinVersusStyle": "families.categories.within_versus_style",
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
