"""What is asked of AWS besides files and clusters: sessions with a country's rights, secrets,
objects, topics, metrics.
"""
