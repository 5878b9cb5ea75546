"""Between a plan and money: the spend protocol, evidence, approval, limits, waiting."""
