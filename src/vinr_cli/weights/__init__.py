"""Weights as records: registry, reading, writing."""
