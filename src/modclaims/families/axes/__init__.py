"""Does one axis of the stream carry a category, or more than its share?"""
