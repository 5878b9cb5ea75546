"""The verbs that join the packages: observe, plan, apply, wait. Input and output meet the decisions here."""
