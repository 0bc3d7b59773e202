"""What the study of OPT-125M and OPT-2.7B said, claim by claim.

The study looked at ten texts of 512 tokens (4 news articles, 3 machine-learning papers, 3 pieces of source code) at ten
positions each, by eye, in similarity matrices, streams of coordinates and spectra. Each claim here is one of its
statements in this project's words, with a reference to where the study makes it; expectations are its own. Smallest
effects are this project's, chosen before any of these claims was weighed on any network.

Run it on the networks themselves:

    modclaims run hypotheses/study.py --model facebook/opt-125m --beside facebook/opt-2.7b --allow-bin \\
        --corpus data/corpora/study.jsonl

Ten texts settle little; the same claims on more texts (`crossed.jsonl`, the default) say more. Claims that need more texts
than a corpus has, or a category that it lacks, are skipped.
"""

from modclaims import (
    AxisStreams,
    CategoryClustering,
    HeadMagnitudes,
    HeadsAgainstBlocks,
    HeadSelectivity,
    HeavyTails,
    LeadingValues,
    LowRankSimilarity,
    ModelsDiffer,
    QuietMiddle,
    ScaleTrend,
    SimilarityLevels,
    TighterThanAttention,
    TightestAt,
    TightPass,
    along_depth,
    at,
)

# ---- similarity of attention outputs ("Cosine Similarity of Attention Block", OPT-125M; the same of OPT-2.7B)


class AttentionOutputsAlikeInTheFirstLayer(SimilarityLevels):
    """In the first layer attention outputs of any two texts have a cosine of more than a half."""

    holds = at(0)
    smallest_effect = 0.5


class AttentionOutputsFadeApart(SimilarityLevels):
    """Attention outputs of any two texts are less alike in the middle layers than in the first one."""

    named = (0,)
    rest = "middle"
    smallest_effect = 0.1


class CategoriesFormBlocksLate(CategoryClustering):
    """Shortly before the last layer attention outputs of same-category texts are more alike than of others."""

    layers = (-3, -2)
    smallest_effect = 0.2


class PapersAreAlikeLate(SimilarityLevels):
    """Shortly before the last layer attention outputs of two papers are more alike than of a paper and another text."""

    level = "same_category"
    against = "different_category"
    category = "paper"
    layers = (-3, -2)
    smallest_effect = 0.1


class CodeIsAlikeLate(PapersAreAlikeLate):
    """Shortly before the last layer attention outputs of two pieces of code are more alike than of code and another text."""

    category = "code"


class NewsIsAlikeLate(PapersAreAlikeLate):
    """Shortly before the last layer attention outputs of two news articles are more alike than of one and another text."""

    category = "news"
    expect = "refuted"  # the study: hardly any similarity between its news articles


class LastLayerBringsAllTogether(SimilarityLevels):
    """In the last layer attention outputs of any two texts are more alike again than in the middle layers."""

    named = (-1,)
    rest = "middle"
    smallest_effect = 0.1


class LastLayerKnowsTheText(SimilarityLevels):
    """In the last layer attention outputs of one text are more alike than those of two texts of its category."""

    level = "same_text"
    against = "same_category"
    holds = at(-1)
    smallest_effect = 0.1


class LastLayerKnowsTheCategory(SimilarityLevels):
    """In the last layer attention outputs of two texts of one category are more alike than those of two categories."""

    level = "same_category"
    against = "different_category"
    holds = at(-1)
    smallest_effect = 0.1


class SimilarityIsDiagonalPlusLowRank(LowRankSimilarity):
    """The similarity matrix of attention outputs looks diagonal plus low rank."""  # a comment below the study

    site = "attn_out"
    draws = 2999
    smallest_effect = 0.2


# ---- similarity of the stream ("Cosine Similarity of Decoder Block", both networks)


class StreamIsAlikeAtFirst(SimilarityLevels):
    """After the first layer the residual stream of any two texts has a cosine of more than .3."""

    site = "resid_post"
    holds = at(0)
    smallest_effect = 0.3


class CategoriesDriftApartAlongTheStream(SimilarityLevels):
    """Along the residual stream texts of different categories become less alike."""

    site = "resid_post"
    level = "different_category"
    holds = along_depth("falls")
    smallest_effect = 0.1


class CategoriesDrawTogetherAlongTheStream(SimilarityLevels):
    """Along the residual stream texts of one category become more alike."""

    site = "resid_post"
    level = "same_category"
    holds = along_depth("rises")
    smallest_effect = 0.1


class CategoriesSeparateAlongTheStream(CategoryClustering):
    """Along the residual stream same-category texts stand out more and more from others."""

    site = "resid_post"
    holds = along_depth("rises")
    smallest_effect = 0.1


# ---- single coordinates ("Streams of Hidden-State Dimensions"); their numbers are those of the study's networks


class AxisThirteenSeparatesCategories(AxisStreams):
    """Coordinate 13 of the residual stream tells categories apart."""  # OPT-2.7B, clearly

    axes = (13,)
    smallest_effect = 0.1


class AxesSixFifteenFortyFiveHintAtCategories(AxisStreams):
    """One of coordinates 6, 15 and 45 of the residual stream tells categories apart."""  # OPT-125M, weakly

    axes = (6, 15, 45)
    smallest_effect = 0.1


class AxesOneSixteenTwentySeparateCategories(AxisStreams):
    """One of coordinates 1, 16 and 20 of the residual stream tells categories apart."""

    axes = (1, 16, 20)
    smallest_effect = 0.1
    expect = "refuted"  # the study, of OPT-125M: they look quite random


# ---- tight passes ("Looking for a Tight Pass", OPT-125M)


class AttentionIsATightPassAtTwoTokens(TightPass):
    """In at least one layer attention at 2 tokens lets through fewer directions than one with Gaussian weights."""

    block = "attention"
    tokens = 2
    ends_at = 1  # the study read texts of so many tokens
    smallest_effect = 0.05
    expect = "refuted"  # the study: hardly a tight pass in any layer


class MlpIsATightPassAtTwoTokens(TightPass):
    """In at least one layer the MLP at 2 tokens lets through fewer directions than one with Gaussian weights."""

    # the study counted about 1,240 singular values that are not zero; of how many, it does not say
    tokens = 2
    ends_at = 1
    smallest_effect = 0.05


class MlpIsATightPassAtManyTokens(MlpIsATightPassAtTwoTokens):
    """In the first layer the MLP at 34 tokens lets through fewer directions than one with Gaussian weights."""

    # the study counted about 9,200; of how many, it does not say
    tokens = 34
    ends_at = 33
    layers = (0,)


class MlpIsTightestRightAfterTheFirstLayer(TightestAt):
    """The MLPs right after the first layer let through fewer directions at 2 tokens than those of the other layers."""

    named = (1, 2)
    tokens = 2
    ends_at = 1
    smallest_effect = 0.05


class MlpIsTighterThanAttention(TighterThanAttention):
    """In at least one layer the MLP at 2 tokens lets through fewer directions than that layer's attention."""

    tokens = 2
    ends_at = 1
    smallest_effect = 0.05


class MlpIsTighterThanAttentionAtManyTokens(MlpIsTighterThanAttention):
    """In the first layer the MLP at 34 tokens lets through fewer directions than attention, which shows no tight pass."""

    tokens = 34
    ends_at = 33
    layers = (0,)


class FirstValuesOfTheMlpStandOut(LeadingValues):
    """In at least one layer the first ten singular values of the MLP's Jacobian stand ten times above the rest."""

    # a comment below the study, on the spectra of both kinds of blocks
    ends_at = 1
    smallest_effect = 1.0


class FirstValuesOfAttentionStandOut(FirstValuesOfTheMlpStandOut):
    """In at least one layer the first ten singular values of attention's Jacobian stand ten times above the rest."""

    block = "attention"


# ---- single heads ("Appendix B" and the comments below the study, OPT-125M)


class HeadsAnswerCategory(HeadSelectivity):
    """At least one attention head lights up, or goes dark, for a category."""

    smallest_effect = 0.1
    expect = "refuted"  # the study: heads do not light up to categories; one coordinate is bright instead


class HeadsAreABetterUnit(HeadsAgainstBlocks):
    """The best single head tells categories apart better than the attention block it sits in."""

    smallest_effect = 0.1
    expect = "refuted"  # the study: heads are no particularly better unit


class OneCoordinateIsBright(HeavyTails):
    """In at least one layer single coordinates hold far more of an attention output than they would in a random basis."""

    site = "attn_out"
    smallest_effect = 1.0


class HeadsOfALayerAreAlikeInMagnitude(HeadMagnitudes):
    """How much a head puts out is a matter of its layer: more than half of the variance lies between layers."""

    smallest_effect = 0.5


class MiddleHeadsAreQuiet(QuietMiddle):
    """Heads put out less in the middle layers than in early and in the last ones."""

    smallest_effect = 0.5


# ---- size ("Looking at a Larger Model", and the guess that the study began with)


class LargerModelFormsClearerBlocks(ModelsDiffer):
    """Attention outputs of same-category texts stand out more in the larger model, at some relative depth."""

    site = "attn_out"
    smallest_effect = 0.1


class LargerModelSeparatesTheStreamMore(ModelsDiffer):
    """Along the residual stream same-category texts stand out more in the larger model, at some relative depth."""

    smallest_effect = 0.1


class LargerModelsAreMoreModular(ScaleTrend):
    """The larger a model, the further apart its residual stream sets categories."""

    smallest_effect = 0.1
