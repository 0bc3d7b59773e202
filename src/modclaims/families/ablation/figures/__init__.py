"""Figures of this topic alone, a kind a file."""
