"""modclaims: test modularity claims about transformer language models."""

from modclaims.families.category_clustering import CategoryClustering
from modclaims.families.head_selectivity import HeadsAgainstBlocks, HeadSelectivity
from modclaims.hypothesis import Hypothesis
from modclaims.stats.quantifiers import along_depth, at, everywhere, in_fraction, somewhere

__version__ = "0.1.0"

__all__ = [
    "CategoryClustering",
    "HeadSelectivity",
    "HeadsAgainstBlocks",
    "Hypothesis",
    "along_depth",
    "at",
    "everywhere",
    "in_fraction",
    "somewhere",
]
