"""Write docs/reference/smoke-report.schema.json from the types of the JSON report.

python scripts/smoke_report_schema.py            write it
python scripts/smoke_report_schema.py --check    only say whether it is up to date; exit code 1 when it is not
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from page_writer import publish

from ernie_deploy.report.document import schema


def page() -> str:
    """The whole file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(publish("smoke-report.schema.json", page()))
