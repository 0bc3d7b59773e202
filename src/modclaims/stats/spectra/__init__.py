"""Singular values, subspaces and components, exact or estimated."""
