"""What do larger models have more of?"""
