"""What the discussions around the study proposed, tried or asked for.

Each claim says where it comes from. Smallest effects and expectations were chosen before the suite was weighed on any
network. Two claims are tests on other networks and illustrations on the embedded one, which had been looked at when they
were written down: what the phases of the residual stream are held against, and that induction is asked about in the last
two layers, before which the embedded network hardly copies.
"""

from modclaims import (
    AblationSpecificity,
    AblationSufficiency,
    FirstTokenAttention,
    InductionExplanation,
    InductionHeads,
    InputOutsideUnembedding,
    InputReconstruction,
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
    sets = 441
    neighbours = 21
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

    draws = 399
    smallest_effect = 0.05
    expect = "refuted"  # the study: graphs of weights do not work well here


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


class InputFadesWithDepth(InputReconstruction):
    """The deeper the layer, the fewer tokens can be told from the residual stream at their place by a linear map."""

    smallest_effect = 0.1


class InputAvoidsTheUnembedding(InputOutsideUnembedding):
    """In at least one layer the token read is kept in directions that the unembedding cares little about."""

    smallest_effect = 0.2


# ---- simpler behaviour (the study does not rule it out: induction heads, skip-trigrams)


class SomeHeadInduces(InductionHeads):
    """At least one head attends, where a random token comes again, to what followed it the first time."""

    smallest_effect = 0.3


class TopicsClusterBeyondInduction(InductionExplanation):
    """In the last two layers attention outputs of same-topic texts are more alike than what is copied would make them."""

    label = "topic"
    within = "style"
    layers = (-2, -1)
    smallest_effect = 0.1


# ---- directions of weights (the same discussion, and notes on token and neuron congruence)


class OVDirectionsSpeakOfTokens(OVDirections):
    """In at least one layer singular directions of OV matrices speak of tokens that belong together."""

    draws = 1799
    smallest_effect = 0.1


class OVDirectionsRiseWithDepth(OVDirections):
    """Singular directions of OV matrices speak more of tokens that belong together the deeper the layer."""

    draws = 199
    holds = along_depth("rises")
    smallest_effect = 0.1
    expect = "refuted"  # the discussion: their number rises and dips, and does so twice


class MlpDirectionsSpeakOfTokens(OVDirections):
    """In at least one layer singular directions of the MLP's output matrix speak of tokens that belong together."""

    matrix = "mlp_out"
    draws = 399
    smallest_effect = 0.1


class QKDirectionsSpeakOfTokens(QKDirections):
    """In at least one layer singular directions of QK matrices speak of tokens that belong together."""

    draws = 399
    smallest_effect = 0.1


class NeuronsPointAtTokens(TokenNeuronCongruence):
    """In at least one layer neurons' weights point at tokens, more than random weights of their length."""

    draws = 1799
    smallest_effect = 0.1


class NeuronsPointAtTokensInEveryLayer(NeuronsPointAtTokens):
    """In every layer neurons' weights point at tokens, more than random weights of their length."""

    holds = everywhere()
    expect = "refuted"  # deeper layers read what earlier ones wrote, not tokens
