"""A failed start has one cause and one fix: signatures as data."""
