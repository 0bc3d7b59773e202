"""The families of claims: each a class that a hypothesis file extends with constants."""
