"""The judging half of every rule: pure functions of a launch, or of a whole file, that say where a rule is broken."""
