"""What whole clusters add to a fit of categories, so that any resample of them is fitted from sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import degrees_of_freedom, indicator_gram, stratum_centred

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClusterSums:
    """What each cluster adds to the fit of category given strata, all of whose strata lie inside clusters.

    With r a cluster's stratum-centred responses and A its stratum-centred categories, in a basis of what the design can
    tell of them: a copy of a cluster adds r'r, A'A and A'r again.
    """

    gram: Floats
    """(cluster, df1, df1) A'A."""
    moment: Floats
    """(cluster, df1, cell) A'r."""
    total: Floats
    """(cluster, cell) r'r."""
    own: Floats
    """(cluster, df1, cell) the cluster's own fit."""
    error: Floats
    """(cluster, cell) sum of squares that its own fit leaves."""

    @classmethod
    def of(cls, responses: Floats, design: Design) -> ClusterSums:
        """From (unit, cell) responses."""
        y = np.asarray(responses, dtype=np.float64)
        y = stratum_centred(y - y.mean(axis=0), design)
        df1, _ = degrees_of_freedom(design)
        basis = np.linalg.eigh(indicator_gram(design))[1][:, design.k - df1 :]
        a = stratum_centred(basis[design.labels], design)
        own = [np.linalg.lstsq(a[c], y[c], rcond=1e-9)[0] for c in design.members]
        error = [((y[c] - a[c] @ b) ** 2).sum(axis=0) for c, b in zip(design.members, own, strict=True)]
        return cls(
            np.stack([a[c].T @ a[c] for c in design.members]),
            np.stack([a[c].T @ y[c] for c in design.members]),
            np.stack([(y[c] ** 2).sum(axis=0) for c in design.members]),
            np.stack(own),
            np.stack(error),
        )

    def fit(self, times: Floats) -> Floats:
        """(row, df1, cell) joint fit of (row, cluster) multiplicities; not a number where categories that the design
        tells apart can no longer be told."""
        gram = np.tensordot(times, self.gram, 1)
        sizes = np.linalg.eigvalsh(gram)
        lost = sizes[:, 0] <= 1e-9 * sizes[:, -1]
        gram[lost] = np.eye(gram.shape[1])
        found = np.asarray(np.linalg.solve(gram, np.tensordot(times, self.moment, 1)), dtype=np.float64)
        found[lost] = np.nan
        return found

    def left(self, fit: Floats) -> Floats:
        """(row, cluster, cell) sum of squares that a joint fit leaves of each cluster."""
        out = np.empty((len(fit), *self.total.shape))
        for c, (gram, own, error) in enumerate(zip(self.gram, self.own, self.error, strict=True)):
            apart = fit - own
            out[:, c] = error + (apart * (gram @ apart)).sum(axis=1)
        return out

    def inflation(self, df2: int) -> Floats:
        """(cell,) how much more clusters vary, in what they say of categories, than their texts alone would make them.

        The mean square between clusters over the residual one; with as many texts of each category in every cluster it
        is the mean square of their interaction. 1 where nothing is left to compare.
        """
        clusters, df1, _ = self.moment.shape
        fit = self.fit(np.ones((1, clusters)))
        apart = self.moment - self.gram @ fit[0]
        between = (apart * np.linalg.solve(self.gram.sum(axis=0), apart)).sum(axis=(0, 1)) * clusters / (clusters - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = between / df1 / (self.left(fit)[0].sum(axis=0) / df2)
        return np.asarray(np.where(np.isfinite(ratio) & (ratio > 0), ratio, 1.0), dtype=np.float64)
