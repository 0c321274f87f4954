"""The command line, `pdpp`: where the reference server and the harness meet a person."""
