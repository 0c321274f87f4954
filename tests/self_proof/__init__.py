"""Proof that every check can fail: each deliberate defect turns exactly its declared requirements red."""
