"""The version, where every room may read it; the package's door hands it out."""

__version__ = "0.1.0"
