"""Frames to an encoder: which one, with which colours, and its process."""
