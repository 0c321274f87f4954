"""Who plays the owner."""
