"""What bounds an effect: the bootstrap over texts, laws at the end of a scale, and bounds taken together."""
