"""The command line: one file per command; app.py turns errors into exit codes; ui.py alone prints."""
