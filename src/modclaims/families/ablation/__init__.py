"""What is lost without the units that answer to a category?"""
