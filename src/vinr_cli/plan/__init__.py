"""What to do, decided before it is done: sizes, times, tiles, names. No torch, no av."""
