"""Mutants that nobody named: small changes of the reference server, judged by the specification alone."""
