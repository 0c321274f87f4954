"""Setup clients: how a person without a browser at hand comes by a credential for an MCP server, and sees it happen."""
