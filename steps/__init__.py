"""The vocabulary of the feature files, one module a subject."""
