"""An environment of its own for each engine: recipes as data, made whole or not at all, found again by their marker."""
