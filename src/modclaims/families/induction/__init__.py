"""Which heads look for what followed?"""
