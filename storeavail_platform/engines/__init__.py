"""What runs the tables' SQL: DuckDB in the process, or Spark.

Same SQL, same rows; engines write files and never commit.
"""
