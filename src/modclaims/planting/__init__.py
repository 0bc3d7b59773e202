"""Planted recordings and scenarios with known answers: the kit that families prove themselves with."""
