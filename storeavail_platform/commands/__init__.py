"""The `storeavail` command: arguments in, functions called, results printed. No rules."""
