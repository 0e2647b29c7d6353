"""Start an engine, know how far it has come, stop all of it."""
