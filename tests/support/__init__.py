"""What tests stand on: values to start from, and fakes that are real libraries and processes."""
