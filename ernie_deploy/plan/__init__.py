"""What will happen, and why: spec layers, facts and catalog become one Plan. Pure."""
