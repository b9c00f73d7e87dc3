"""What the tests share: servers, databases, runs of the program, and frames to begin with."""
