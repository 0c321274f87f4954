"""A bench for setup clients: servers that follow a script and record, a clock of its own, and the client under test."""
