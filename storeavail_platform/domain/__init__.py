"""The rules, pure: windows, opening hours, tables and their SQL, what a source is, every error,
text. Imports nothing of ours.
"""
