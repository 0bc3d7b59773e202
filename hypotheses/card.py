"""The four families of claims: do texts of one style, or of one topic, look alike inside the model; do single heads
answer them; do blocks narrow; do single coordinates of the stream carry them?

Expectations come from the study that began this (ten texts, OPT-125M and OPT-2.7B) and from the discussion below
it; they were written down before the embedded model was first looked at. The first two claims need no more than
a category a text and so run on any corpus; the others exchange one factor of a crossed corpus inside the other, so
that style cannot pass for topic nor topic for style.
"""

from modclaims import (
    AxesAgainstRotations,
    AxisStreams,
    CategoryClustering,
    HeadsAgainstBlocks,
    HeadSelectivity,
    HeavyTails,
    TighterThanAttention,
    TightestAt,
    TightPass,
    along_depth,
    at,
    in_fraction,
)


class CategoriesClusterInAttention(CategoryClustering):
    """Attention outputs of same-category texts point the same way in at least one layer."""

    site = "attn_out"
    smallest_effect = 0.2


class HeadsAnswerCategory(HeadSelectivity):
    """At least one attention head lights up, or goes dark, for a category."""

    smallest_effect = 0.1


class StylesClusterInAttention(CategoryClustering):
    """Attention outputs of same-style texts point the same way in at least one layer."""

    site = "attn_out"
    label = "style"
    within = "topic"
    smallest_effect = 0.2


class TopicsClusterInAttention(CategoryClustering):
    """Attention outputs of same-topic texts point the same way in at least one layer."""

    site = "attn_out"
    label = "topic"
    within = "style"
    smallest_effect = 0.2


class TopicsClusterBeyondSharedWords(TopicsClusterInAttention):
    """Attention outputs of same-topic texts are more alike than the words that they share would make them."""

    beyond = "shared_words"
    smallest_effect = 0.1


class StylesClusterByMagnitude(StylesClusterInAttention):
    """Attention outputs of same-style texts lie close together, lengths counted, in at least one layer."""

    similarity = "magnitude_aware"


class FirstLayerTellsStylesApart(StylesClusterInAttention):
    """Attention outputs of same-style texts are already more alike in the first layer."""

    holds = at(0)
    expect = "refuted"  # the study: in the first layer all tokens look very similar, whatever their category


class LastLayerTellsStylesApart(StylesClusterInAttention):
    """Attention outputs of same-style texts are more alike in the last layer."""

    holds = at(-1)


class StylesClusterInMostOfTheStream(CategoryClustering):
    """The residual stream keeps same-style texts together in at least half of the layers."""

    site = "resid_post"
    label = "style"
    within = "topic"
    holds = in_fraction(0.5)
    smallest_effect = 0.2


class TopicsClusterInMostOfTheStream(StylesClusterInMostOfTheStream):
    """The residual stream keeps same-topic texts together in at least half of the layers."""

    label = "topic"
    within = "style"


class StylesSeparateAlongTheStream(StylesClusterInMostOfTheStream):
    """Same-style texts stand out more and more along the residual stream."""

    holds = along_depth("rises")
    smallest_effect = 0.1


class HeadsAnswerStyle(HeadSelectivity):
    """At least one attention head lights up, or goes dark, for a style."""

    label = "style"
    within = "topic"
    smallest_effect = 0.1


class HeadsAnswerTopic(HeadSelectivity):
    """At least one attention head lights up, or goes dark, for a topic."""

    label = "topic"
    within = "style"
    smallest_effect = 0.1


class BlocksAnswerStyle(HeadsAnswerStyle):
    """At least one whole attention block lights up, or goes dark, for a style."""

    unit = "attn_block"


class HeadsAreABetterUnit(HeadsAgainstBlocks):
    """The best single head tells styles apart better than the attention block it sits in."""

    label = "style"
    within = "topic"
    smallest_effect = 0.1
    expect = "refuted"  # the study: heads have not shown themselves a particularly better unit than whole blocks


class MlpIsATightPass(TightPass):
    """In at least one layer the MLP lets through fewer directions than one with Gaussian weights of the same size."""

    smallest_effect = 0.05


class MlpEnergySitsInFewDirections(TightPass):
    """In at least one layer what the MLP lets through spreads over fewer directions than with Gaussian weights."""

    quantity = "effective_rank"
    smallest_effect = 0.05


class MlpIsTightestRightAfterTheFirstLayer(TightestAt):
    """The MLPs right after the first layer let through fewer directions than those of the other layers."""

    named = (1, 2)
    smallest_effect = 0.05


class AttentionIsATightPass(TightPass):
    """In at least one layer attention lets through fewer directions than one with Gaussian weights of the same size."""

    block = "attention"
    smallest_effect = 0.05
    expect = "refuted"  # the study: attention blocks have hardly a tight pass in any layer


class MlpIsTighterThanAttention(TighterThanAttention):
    """In at least one layer the MLP lets through fewer directions than the attention block of that layer."""

    smallest_effect = 0.05


class AxisCarriesStyle(AxisStreams):
    """At least one coordinate of the residual stream tells styles apart."""

    label = "style"
    within = "topic"
    smallest_effect = 0.1


class AxesBeatRandomDirections(AxesAgainstRotations):
    """In at least one layer the coordinates of the residual stream tell styles apart better than random directions."""

    label = "style"
    within = "topic"
    smallest_effect = 0.1


class StreamIsHeavyTailed(HeavyTails):
    """In at least one layer single coordinates hold far more of a token than they would in a random basis."""

    smallest_effect = 1.0
