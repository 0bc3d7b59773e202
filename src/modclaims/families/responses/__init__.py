"""Does a head, a neuron or a block answer to categories?"""
