"""Do texts of one category look alike?"""
