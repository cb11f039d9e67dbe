"""specseal: speculative-decoding benchmarks that can be handed over, checked and re-run."""

__version__ = "0.1.0"
