"""The comparison study: rows of methods, their trainings, the same cases for all, and the tables."""
