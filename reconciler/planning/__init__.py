"""What is due, decided purely: (desired, observed, history) to a plan."""
