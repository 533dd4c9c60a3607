"""Stage 4: the split, the training window and the fitted preparation. Pure."""
