"""How many directions does a block let through?"""
