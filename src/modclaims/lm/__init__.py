"""Measuring: language models as recorders. The only folder that imports torch, and only when its modules are used."""
