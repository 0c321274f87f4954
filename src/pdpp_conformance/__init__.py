"""PDPP's conformance harness: judges a deployment by its wire and its pages."""

__version__ = "0.1.0"
