"""Take a rider through a Headway that runs: HEADWAY_URL and GATEWAY_ADMIN_CLIENT_SECRET say where and who lets us."""

import asyncio
import os
import sys
from typing import Any

from cli.import_feed import import_feed, import_of
from cli.journey import travel
from cli.outcomes import BreakdownError
from cli.stack import ADMIN_CLIENT_ID


async def sell_and_travel(running: dict[str, Any]) -> None:
    """Put the sample network on sale and ride on it; raise BreakdownError when either fails."""
    if await import_feed(running, import_of(None, operator_id="", days=28), print):
        raise BreakdownError("The journey ends here: the sample network was not taken.")
    await travel(running["gateway_url"], print)


def main() -> int:
    """Return 0 when every call of the journey went well."""
    url = os.environ.get("HEADWAY_URL", "http://127.0.0.1:8000")
    admin = {"client_id": ADMIN_CLIENT_ID, "client_secret": os.environ["GATEWAY_ADMIN_CLIENT_SECRET"]}
    try:
        asyncio.run(sell_and_travel({"gateway_url": url, "admin": admin}))
    except BreakdownError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
