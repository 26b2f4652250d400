"""Groups of commands, a module each, with the contract of `cli`: answer on standard output, the rest on standard error.

Single commands, exit codes and what becomes of errors live in `cli`, which mounts the groups.
"""
