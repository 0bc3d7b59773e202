"""What is asked of a network. A kind of request is one class, which says all that its answer depends on short of the numbers.

Axes of answers are always in the order (text, position, head, unit).
"""

from modclaims.recording.requests.activations import HEAD_SITES, LAYER_SITES, SITES, Activations, Reduce
from modclaims.recording.requests.induction_scores import InductionScores
from modclaims.recording.requests.jacobian import BLOCKS, BY_TOKEN, DRAWN, SPECTRUM, Jacobian
from modclaims.recording.requests.next_token import LogOdds, Loss, NextToken
from modclaims.recording.requests.request import RandomTokens, Request
from modclaims.recording.requests.token_ids import TokenIds
from modclaims.recording.requests.weights import EMBEDDINGS, MATRICES, Weights

__all__ = [
    "BLOCKS",
    "BY_TOKEN",
    "DRAWN",
    "EMBEDDINGS",
    "HEAD_SITES",
    "LAYER_SITES",
    "MATRICES",
    "REQUESTS",
    "SITES",
    "SPECTRUM",
    "Activations",
    "InductionScores",
    "Jacobian",
    "LogOdds",
    "Loss",
    "NextToken",
    "RandomTokens",
    "Reduce",
    "Request",
    "TokenIds",
    "Weights",
    "for_model",
    "for_variant",
    "model_of",
]

REQUESTS: tuple[type[Request], ...] = (Activations, Loss, LogOdds, TokenIds, InductionScores, Jacobian, Weights)
"""All kinds of requests."""


def for_variant(request: Request, variant: str | None) -> Request:
    """The same request, put to a variant of the model: `Request.for_variant`."""
    return request.for_variant(variant)


def model_of(request: Request) -> str | None:
    """Name of the model that a request is put to; None for the run's own: `Request.model`."""
    return request.model


def for_model(request: Request, model: str | None) -> Request:
    """The same request, put to one of the models beside the run's own: `Request.for_model`."""
    return request.for_model(model)
