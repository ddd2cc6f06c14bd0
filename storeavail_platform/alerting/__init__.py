"""Which alerts are true, who is told, by which channel, and what was told before."""
