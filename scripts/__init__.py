"""What the Makefile runs: set-up, locks and the quiet phases of `make test`. Standard library only."""
