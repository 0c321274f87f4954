"""A small, strict PDPP deployment: authorization server, MCP resource server and owner pages that conform."""

__version__ = "0.1.0"
