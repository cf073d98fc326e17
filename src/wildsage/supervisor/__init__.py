"""The process that carries one job: files in, journal out. It never opens the database."""
