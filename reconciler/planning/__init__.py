"""The pure decision about which cells are due: (desired, observed, history) to a plan."""
