"""The verbs that join the rooms: observe, plan, apply, wait. All reading and writing meets the decisions here."""
