"""What is known beforehand about models, cards and engine builds: YAML data and one loader."""
