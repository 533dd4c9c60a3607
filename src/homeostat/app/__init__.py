"""What people and machines touch: the command line, the prediction server, the demonstration."""
