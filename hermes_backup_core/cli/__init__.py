"""The command line: arguments, log, progress, signals, exit codes."""
