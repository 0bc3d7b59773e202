"""How much of the tokens read can be told from the stream?"""
