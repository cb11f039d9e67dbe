"""Images: from a lock's inputs to something that runs, as container images or as native programs.

Everything is keyed by the digest of its inputs; what exists already is not made again.
"""

from specseal.images.containers import (
    Images,
    build_images,
    build_program,
    differences_of_builds,
)
from specseal.images.native import Environments, build_environments

__all__ = [
    "Environments",
    "Images",
    "build_environments",
    "build_images",
    "build_program",
    "differences_of_builds",
]
