# Rules over a plan file, for Conftest (`deny` refuses, `warn` tells) or OPA. schemas/README.md lists every key of a plan.
package main

import rego.v1

# Every manifest belongs to a team.
deny contains message if {
	some table in input.tables
	not table.labels.team
	message := sprintf("%s: give it a label `team`", [table.manifest])
}

# Limits cannot tell a change's own calls from those that were due anyway; `plan --against` does.
most_credits_of_a_change := 150

deny contains message if {
	spent := sum([call.credits | some call in input.calls; call.cause == "change"; is_number(call.credits)])
	spent > most_credits_of_a_change
	message := sprintf("the change causes calls for %v credits, and %v may come at once", [spent, most_credits_of_a_change])
}

# An unknown price would pass as no price.
deny contains message if {
	some call in input.calls
	some column, price in call.prices
	not is_number(price)
	message := sprintf("%s: a cell of %s has no known price", [call.address, column])
}

# Dear columns are for those who said that they need them.
dear_from := 3

deny contains message if {
	some call in input.calls
	some column, price in call.prices
	is_number(price)
	price >= dear_from
	not tier_of(call) == "research"
	message := sprintf("%s: a cell of %s costs %v credits, for which it needs the label `tier: research`", [call.address, column, price])
}

tier_of(call) := table.labels.tier if {
	some table in input.tables
	table.table_id == call.table_id
	table.manifest == split(call.address, "/")[0]
}

# A tenth of the balance stays; a plan of an account without a known balance has no such numbers.
deny contains message if {
	is_number(input.balance.after)
	is_number(input.balance.available)
	input.balance.after < input.balance.available / 10
	message := sprintf("%v of %v credits would be left", [input.balance.after, input.balance.available])
}

warn contains message if {
	is_number(input.forecast.change)
	input.forecast.change > 0
	message := sprintf("schedules will cost %v credits a month more", [input.forecast.change])
}
