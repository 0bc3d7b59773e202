"""What has been published of other networks, asked of this one. Expectations are the published results.

Smallest effects were chosen before any of these claims was weighed on any network.
"""

from modclaims import AttentionSinks, HeavyTails, TargetedAblation, WeightClusterability


class TrainedMlpsAreClusterable(WeightClusterability):
    """In at least one layer the MLP's weight graph is cut more easily than graphs of its weights shuffled."""

    # Filan et al. (2021), Clusterability in neural networks: trained image classifiers mostly are
    clusters = 12
    smallest_effect = 0.05


class StreamIsHeavierTailedThanRotated(HeavyTails):
    """In at least one layer coordinates of the stream are heavier-tailed than those of a random basis."""

    # Elhage et al. (2023), Privileged bases in the transformer residual stream: kurtosis far above that of a rotated basis
    smallest_effect = 1.0


class SelectiveHeadsMatterMore(TargetedAblation):
    """Without the heads that answer code most, code loses more than without heads like them, whether 1, 2, 4 or 8 are gone."""

    # Morcos et al. (2018), On the importance of single directions: selective units are no more important than others
    modules = ("code",)
    unit = "head"
    sizes = (1, 2, 4, 8)
    smallest_effect = 0.02
    expect = "refuted"


class HeadsAreSinks(AttentionSinks):
    """At least a tenth of all heads give more than 0.3 of their attention to the first token."""

    # Gu et al. (2024), When attention sink emerges in language models: many heads are, in networks of every size
    smallest_effect = 0.1
