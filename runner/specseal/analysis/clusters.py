"""Conversations: the units that the bootstrap draws.

Turns of one conversation depend on each other, and so do its requests at several load levels and in
several repeats: at temperature 0 a repeat gives the same tokens again. Drawing whole conversations,
with all of that, keeps the dependence in the interval, and more repeats do not narrow it as if they
were more conversations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specseal.analysis.columns import FloatArray, IntArray, Requests


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clusters:
    """The conversations of some requests, sorted."""

    of_request: IntArray
    """The cluster of each request."""
    size: int
    """How many clusters there are."""

    def __len__(self) -> int:
        """Return the number of clusters."""
        return self.size

    def count(self, cluster: IntArray) -> FloatArray:
        """Return how many entries of `cluster` fall on each cluster."""
        return np.bincount(cluster, minlength=len(self)).astype(np.float64)

    def sums(self, cluster: IntArray, values: npt.ArrayLike) -> FloatArray:
        """Return the sum of `values` over each cluster."""
        weights = np.asarray(values, dtype=np.float64)
        return np.bincount(cluster, weights=weights, minlength=len(self)).astype(np.float64)


def clusters_of(requests: Requests) -> Clusters:
    """Return the clusters of all requests, those that failed among them."""
    unique, of_request = np.unique(requests.conversation, return_inverse=True)
    return Clusters(of_request=of_request, size=len(unique))
