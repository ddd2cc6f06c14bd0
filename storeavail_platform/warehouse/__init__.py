"""What is kept: the landing of raw readings, the Iceberg tables and their commits, markers of
complete windows, what an engine must give.
"""
