"""What do weights alone say?"""
