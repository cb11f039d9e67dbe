"""Conversations within repeats: the units that the bootstrap draws.

Turns of one conversation depend on each other, and so do its requests at several load levels;
drawing whole conversations, within each launch, keeps that dependence in the interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specseal.analysis.columns import FloatArray, IntArray, Requests


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clusters:
    """The (repeat, conversation) pairs of some requests, sorted by repeat, then conversation."""

    of_request: IntArray
    """The cluster of each request."""
    repeat: IntArray
    """The repeat of each cluster."""
    conversation: IntArray
    """The conversation of each cluster."""

    def __len__(self) -> int:
        """Return the number of clusters."""
        return len(self.repeat)

    def count(self, cluster: IntArray) -> FloatArray:
        """Return how many entries of `cluster` fall on each cluster."""
        return np.bincount(cluster, minlength=len(self)).astype(np.float64)

    def sums(self, cluster: IntArray, values: npt.ArrayLike) -> FloatArray:
        """Return the sum of `values` over each cluster."""
        weights = np.asarray(values, dtype=np.float64)
        return np.bincount(cluster, weights=weights, minlength=len(self)).astype(np.float64)

    def conversations_with(self, counts: FloatArray) -> int:
        """Return how many conversations have a count above 0 in any repeat."""
        return len(np.unique(self.conversation[counts > 0]))


def clusters_of(requests: Requests) -> Clusters:
    """Return the clusters of all requests, those that failed among them."""
    pairs = np.stack([requests.repeat, requests.conversation], axis=1)
    unique, of_request = np.unique(pairs, axis=0, return_inverse=True)
    return Clusters(
        of_request=of_request.reshape(-1), repeat=unique[:, 0], conversation=unique[:, 1]
    )
