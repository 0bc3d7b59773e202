"""modclaims: test modularity claims about transformer language models."""

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
