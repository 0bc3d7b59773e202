"""Maps between spaces and vocabularies: ridge regression, retrieval, directions of tokens, graphs of weights."""
