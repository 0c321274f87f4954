"""``python at_terminal.py DEVICE WORD …``: become the command of these words, at that terminal, in this session."""

from __future__ import annotations

import fcntl
import os
import sys
import termios


def main() -> None:
    device, words = sys.argv[1], sys.argv[2:]
    terminal = os.open(device, os.O_RDWR)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for descriptor in (0, 1, 2):
        os.dup2(terminal, descriptor)
    try:
        os.execvp(words[0], words)  # noqa: S606 - the operator's own command, from the operator's file
    except OSError as error:
        sys.exit(f"{words[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()
