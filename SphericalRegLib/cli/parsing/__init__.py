"""What is typed, to values: options, their forms, configuration files and what is said of a mistake."""
