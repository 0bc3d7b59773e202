"""modclaims: test modularity claims about transformer language models."""

from modclaims.families.axis_streams import AxesAgainstRotations, AxisStreams, HeavyTails
from modclaims.families.category_clustering import CategoryClustering
from modclaims.families.head_selectivity import HeadsAgainstBlocks, HeadSelectivity
from modclaims.families.low_rank_similarity import LowRankSimilarity
from modclaims.families.subspace_separation import SubspaceSeparation
from modclaims.families.tight_pass import TighterThanAttention, TightestAt, TightPass
from modclaims.families.within_versus_style import WithinVersusStyle
from modclaims.hypothesis import Hypothesis
from modclaims.stats.quantifiers import along_depth, at, everywhere, in_fraction, somewhere

__version__ = "0.1.0"

__all__ = [
    "AxesAgainstRotations",
    "AxisStreams",
    "CategoryClustering",
    "HeadSelectivity",
    "HeadsAgainstBlocks",
    "HeavyTails",
    "Hypothesis",
    "LowRankSimilarity",
    "SubspaceSeparation",
    "TightPass",
    "TighterThanAttention",
    "TightestAt",
    "WithinVersusStyle",
    "along_depth",
    "at",
    "everywhere",
    "in_fraction",
    "somewhere",
]
