"""What families of several topics share."""
