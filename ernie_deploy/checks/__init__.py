"""Would the plan work on this host? Named checks, all run, each a Result."""
