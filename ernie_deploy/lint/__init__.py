"""What is wrong with a launch somebody wrote, before it costs ten minutes of loading: rules as data."""
