"""What claims would be weighed by, before anything runs: the kit that families plan with."""
