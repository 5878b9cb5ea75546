"""Plans, reports, status and snapshots as one HTML file each: no network, no framework, readable without scripts.

`markup.py` escapes every text that it is given, `shell.py` puts a page together under a policy that allows nothing but
its own style and script, `cells.py` turns a plan's cells into what `page.js` draws.
"""
