"""Do two results agree, does a claim hold, and if not, what differs? Pure: values in, values out."""

from specseal.compare.side import Side

__all__ = ["Side"]
