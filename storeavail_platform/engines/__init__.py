"""What runs the SQL: DuckDB in the process, or Spark. Same SQL, same rows."""
