"""Becomes another program that dies with the process that started it. Run as a script, with the standard library only.

Arguments: pid of the parent, signal to receive when the parent dies, user id and group id to change to (or -1),
program, its arguments. The death signal is set after the change of user, because the kernel forgets it on such a
change, and here rather than between fork and exec of the parent, where a threaded program may not run Python safely.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Drop privileges, tie this process to its parent, and become the program."""
    parent, signal_number, user, group = (int(value) for value in sys.argv[1:5])
    program = sys.argv[5:]
    if user >= 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        # The parent died before the signal was set, so it would never come.
        sys.exit(1)
    try:
        os.execvp(program[0], program)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"{program[0]}: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main()
