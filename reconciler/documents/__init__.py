"""Versioned JSON for programs: plan, report, status and snapshot files, written and read back."""
