"""vinr: any size and any frame rate, from one pass of a VideoINR network."""

__version__ = "0.1.0"
