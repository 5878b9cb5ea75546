"""Print the plan action's outputs: `outputs.py PLAN-FILE EXIT-CODE`. Without a file only the code is known."""

import json
import sys
from pathlib import Path

file, code = Path(sys.argv[1]), int(sys.argv[2])
outputs = {"exit-code": str(code), "has-plan": "false", "has-changes": "false"}
if file.is_file():
    plan = json.loads(file.read_text(encoding="utf-8"))
    totals = plan["totals"]
    outputs["has-plan"] = "true"
    outputs["has-changes"] = "true" if plan["calls"] else "false"
    outputs["calls"] = str(totals["calls"])
    outputs["cells"] = str(totals["cells"])
    outputs["credits"] = "unknown" if totals["credits"] is None else str(totals["credits"])
    outputs["plan-id"] = plan["plan_id"]
sys.stdout.writelines(f"{name}={value}\n" for name, value in outputs.items())
