"""What is read off a network, and the one seam between models and statistics.

Claims ask with *requests*; a `Recorder` (a language model, or planted arrays in a test) answers all of them with
one `Recording`. Axes are always in the order (text, position, head, unit).
"""

from modclaims.recording.ablation import PARTS, REMOVALS, Ablation
from modclaims.recording.entries import Entry
from modclaims.recording.positions import Positions
from modclaims.recording.reading import Reading
from modclaims.recording.recorder import Array, MemorySource, Recorder, Recording, Source
from modclaims.recording.requests import (
    BLOCKS,
    BY_TOKEN,
    DRAWN,
    EMBEDDINGS,
    HEAD_SITES,
    LAYER_SITES,
    MATRICES,
    REQUESTS,
    SITES,
    SPECTRUM,
    Activations,
    InductionScores,
    Jacobian,
    LogOdds,
    Loss,
    NextToken,
    RandomTokens,
    Reduce,
    Request,
    TokenIds,
    Weights,
    for_model,
    for_variant,
    model_of,
)
from modclaims.recording.shape import ModelShape

__all__ = [
    "BLOCKS",
    "BY_TOKEN",
    "DRAWN",
    "EMBEDDINGS",
    "HEAD_SITES",
    "LAYER_SITES",
    "MATRICES",
    "PARTS",
    "REMOVALS",
    "REQUESTS",
    "SITES",
    "SPECTRUM",
    "Ablation",
    "Activations",
    "Array",
    "Entry",
    "InductionScores",
    "Jacobian",
    "LogOdds",
    "Loss",
    "MemorySource",
    "ModelShape",
    "NextToken",
    "Positions",
    "RandomTokens",
    "Reading",
    "Recorder",
    "Recording",
    "Reduce",
    "Request",
    "Source",
    "TokenIds",
    "Weights",
    "for_model",
    "for_variant",
    "model_of",
]
