"""Frames through a network: windows, tiles, memory, threads. Nothing of resume."""
