"""How each engine is spoken to: Plan to Launch. Pure."""
