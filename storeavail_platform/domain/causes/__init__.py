"""What is down, and why: the usual rates of a country, the causes of a window, the incidents of a
date. Pure functions over counts of stores; no engine, no table, no I/O.

`docs/incidents.md` says what the method is, how it is judged and where it ends.
"""
