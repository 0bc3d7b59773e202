"""How large: effects of pairs, ranks, levels and curves, each with its influences where it is resampled."""
