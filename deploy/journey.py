"""Take a rider through a Headway that runs: HEADWAY_URL and GATEWAY_ADMIN_CLIENT_SECRET say where and who lets us."""

import asyncio
import os
import sys

from cli.journey import travel
from cli.outcomes import BreakdownError
from cli.stack import ADMIN_CLIENT_ID


def main() -> int:
    """Return 0 when every call of the journey went well."""
    url = os.environ.get("HEADWAY_URL", "http://127.0.0.1:8000")
    admin = {"client_id": ADMIN_CLIENT_ID, "client_secret": os.environ["GATEWAY_ADMIN_CLIENT_SECRET"]}
    try:
        asyncio.run(travel(url, admin, print))
    except BreakdownError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
