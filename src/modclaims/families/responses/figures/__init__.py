"""Figures of this topic alone, a kind per file."""
