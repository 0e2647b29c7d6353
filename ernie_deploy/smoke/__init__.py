"""A few requests whose answers are right or wrong."""
