"""What a run is told, what it collects, and what it leaves on disk."""
