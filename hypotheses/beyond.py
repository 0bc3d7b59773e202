"""What the discussions around the study proposed, tried or asked for.

Each claim says where it comes from. Smallest effects were chosen before any of them was weighed on any network, but for
the phases of the residual stream: what they are held against was chosen after the embedded network had been looked at,
which makes that one claim an illustration there and a test on every other network.
"""

from modclaims import (
    AblationSpecificity,
    AblationSufficiency,
    FirstTokenAttention,
    LowRankSimilarity,
    OVDirections,
    QKDirections,
    ResidualPhases,
    SubspaceSeparation,
    TargetedAblation,
    TokenNeuronCongruence,
    WeightClusterability,
    WithinVersusStyle,
    along_depth,
    everywhere,
)

# ---- take a part out (the study's definition of a module; a comment asks what happens without such parts)


class CodeNeedsItsNeurons(TargetedAblation):
    """Without the 64 neurons that answer code most, code loses more than without as many others like them."""

    modules = ("code",)
    sizes = (64,)
    sets = 400
    neighbours = 20
    smallest_effect = 0.02


class NeuronsServeOneCategory(AblationSpecificity):
    """Without the 64 neurons that answer a category most, its texts lose more than those of every other category."""

    smallest_effect = 0.02


class CodeNeuronsMakeEveryTextCode(AblationSufficiency):
    """With only the 64 neurons left that answer code most, texts of every category are continued more like code."""

    modules = ("code",)
    smallest_effect = 0.1


# ---- graphs of weights (the study's first section, which sets them aside)


class MlpWeightsFormClusters(WeightClusterability):
    """In at least one layer the MLP's weight graph falls into clusters, more than its weights shuffled."""

    draws = 999
    smallest_effect = 0.05


class MlpWeightsFormCommunities(MlpWeightsFormClusters):
    """In at least one layer Newman's Q of the MLP's weight graph is larger than that of its weights shuffled."""

    score = "modularity"


# ---- subspaces (comments below the study)


class StreamIsLowRank(LowRankSimilarity):
    """The similarity matrix of the residual stream is diagonal plus low rank in at least one layer."""

    label = "style"
    within = "topic"
    smallest_effect = 0.2


class StylesVaryInTheirOwnSubspaces(SubspaceSeparation):
    """In at least one layer of the residual stream texts of different styles vary in different subspaces."""

    label = "style"
    within = "topic"
    smallest_effect = 0.2


class KnowledgeCountsMoreThanStyle(WithinVersusStyle):
    """In at least one layer attention outputs are more about topic than about style."""  # the study's own impression

    site = "attn_out"
    label = "topic"
    within = "style"
    smallest_effect = 0.1


# ---- along depth (a discussion of GPT-2's layers)


class EarlyAndLastLayersAttendEvenly(FirstTokenAttention):
    """The middle layers park their attention on the first token, the early and the last ones spread it more evenly."""

    smallest_effect = 0.1


class StreamHasThreePhases(ResidualPhases):
    """The residual stream is reshaped early, refined in the middle, and mapped once more at the end."""

    smallest_effect = 0.2


# ---- directions of weights (the same discussion, and notes on token and neuron congruence)


class OVDirectionsSpeakOfTokens(OVDirections):
    """In at least one layer singular directions of OV matrices speak of tokens that belong together."""

    draws = 999
    smallest_effect = 0.1


class OVDirectionsRiseWithDepth(OVDirections):
    """Singular directions of OV matrices speak more of tokens that belong together the deeper the layer."""

    draws = 999
    holds = along_depth("rises")
    smallest_effect = 0.1


class MlpDirectionsSpeakOfTokens(OVDirections):
    """In at least one layer singular directions of the MLP's output matrix speak of tokens that belong together."""

    matrix = "mlp_out"
    draws = 999
    smallest_effect = 0.1


class QKDirectionsSpeakOfTokens(QKDirections):
    """In at least one layer singular directions of QK matrices speak of tokens that belong together."""

    draws = 999
    smallest_effect = 0.1


class NeuronsPointAtTokens(TokenNeuronCongruence):
    """In at least one layer neurons' weights point at tokens, more than random weights of their length."""

    draws = 999
    smallest_effect = 0.1


class NeuronsPointAtTokensInEveryLayer(NeuronsPointAtTokens):
    """In every layer neurons' weights point at tokens, more than random weights of their length."""

    holds = everywhere()
    expect = "refuted"  # deeper layers read what earlier ones wrote, not tokens
