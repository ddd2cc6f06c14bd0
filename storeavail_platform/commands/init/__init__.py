"""`storeavail init`: looks at a company's PostgreSQL and index, guesses where they say what of a
store, and writes the configuration and, where its tables are not the default ones, two query files.

Guesses (`guess_*.py`) are pure functions of what was seen (`tables.py`, `documents.py`), each with
its reason, which is written into the files. Whether they are right is `storeavail check`'s word.
"""
