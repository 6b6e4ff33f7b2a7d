"""`headway import`: an operator's GTFS feed onto sale, through the public API, with the progress shown."""

import asyncio
import io
import json
import re
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from cli.outcomes import SetupError
from cli.running import checked, open_client, sign_in_staff

SAMPLE, SAMPLE_OPERATOR = files("cli") / "sample_network", "nordlicht"
POLL_SECONDS = 0.3
UPLOAD_SECONDS = 120.0
PATIENCE_SECONDS = 120.0
"""How long an import may stand still before we wait no longer."""
ATTEMPTS = 3
PROBLEMS_SHOWN = 20
BAR_CHARS = 30
STEPS = {"reading": "Reading", "staging": "Storing", "laying_out": "Laying out days", "finishing": "Comparing days"}
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Import:
    """A feed and how it shall be put on sale; `layouts` describe the seats of routes, by the feed's ids of them."""

    content: bytes
    operator_id: str
    layouts: dict[str, Any]
    form: dict[str, str]
    # One a run: sending again what was already sent, after a lost answer, is the same import.
    key: str = field(default_factory=lambda: uuid4().hex)


def import_of(source: Path | None, *, operator_id: str, **form: str | int | bool | None) -> Import:
    """Read what shall be imported: a zip, a folder, or the sample network when no source is named."""
    folder: Traversable = SAMPLE if source is None else source
    content, layouts = (zipped(folder), layouts_in(folder)) if folder.is_dir() else (read_zip(Path(str(folder))), {})
    named = operator_id or (SAMPLE_OPERATOR if source is None else slug(source.stem))
    told = {name: str(value).lower() for name, value in form.items() if value is not None and value is not False}
    return Import(content, named, layouts, told)


def read_zip(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}.") from error


def zipped(folder: Traversable) -> bytes:
    """Zip a folder's files, so that equal ones make equal zips."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir(), key=lambda one: one.name):
            if file.name.endswith(".txt"):
                archive.writestr(zipfile.ZipInfo(file.name), file.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def layouts_in(folder: Traversable) -> dict[str, Any]:
    """Read the seats of routes that a folder describes beside its feed."""
    file = folder / "layouts.json"
    return dict(json.loads(file.read_text())) if file.is_file() else {}


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:64] or "operator"


async def import_feed(ready: dict[str, Any], wanted: Import, say: Say) -> int:
    """Import a feed and tell what became of it; return 0 for one that is on sale, 1 for one that was rejected.

    Raises SetupError when the system gives no answer.
    """
    try:
        return await send_and_follow(ready, wanted, say)
    except httpx2.HTTPError as error:
        reason = f"{ready['gateway_url']} gives no answer ({type(error).__name__})."
        raise SetupError(f"{reason} See that it is up and import once more: what is on sale already stays.") from error


async def send_and_follow(ready: dict[str, Any], wanted: Import, say: Say) -> int:
    """Send a feed, wait until it is on sale or rejected, and tell the end of it."""
    async with open_client(ready["gateway_url"]) as client:
        sign_in_staff(client, ready)
        form = {"operator_id": wanted.operator_id, **wanted.form}
        if wanted.layouts:
            form["layouts"] = json.dumps(await create_layouts(client, wanted))
        sent = await upload(client, form, wanted)
        if sent.status_code == httpx2.codes.UNPROCESSABLE_ENTITY:
            refused = sent.json()
            for error in refused["errors"] or [{"pointer": "", "detail": refused["detail"]}]:
                say(f"{error['pointer']} {error['detail']}".strip())
            return 1
        feed = await settled(client, checked(sent)["id"], say)
    for line in summary(feed):
        say(line)
    return 0 if feed["state"] == "published" else 1


async def upload(client: httpx2.AsyncClient, form: dict[str, str], wanted: Import) -> httpx2.Response:
    """Send the feed, and once more under the same key when no answer comes."""
    for _ in range(ATTEMPTS - 1):
        with suppress(httpx2.TransportError):
            return await send(client, form, wanted)
    return await send(client, form, wanted)


async def send(client: httpx2.AsyncClient, form: dict[str, str], wanted: Import) -> httpx2.Response:
    file = ("feed.zip", wanted.content, "application/zip")
    key = {"Idempotency-Key": wanted.key}
    return await client.post("/feeds", data=form, files={"file": file}, headers=key, timeout=UPLOAD_SECONDS)


async def create_layouts(client: httpx2.AsyncClient, wanted: Import) -> dict[str, str]:
    """Create the layouts that the operator has not yet; return the id of each route's."""
    known: dict[str, str] = {}
    query: dict[str, str | int] = {"operator_id": wanted.operator_id, "limit": 200}
    while query.get("cursor") != "":
        page = checked(await client.get("/layouts", params=query))
        known |= {one["name"]: one["id"] for one in page["items"]}
        query["cursor"] = page["next_cursor"] or ""
    for layout in wanted.layouts.values():
        if layout["name"] not in known:
            made = await client.post("/layouts", json={"operator_id": wanted.operator_id, **layout})
            known[layout["name"]] = checked(made)["id"]
    return {route_id: known[layout["name"]] for route_id, layout in wanted.layouts.items()}


async def settled(client: httpx2.AsyncClient, feed_id: str, say: Say) -> dict[str, Any]:
    """Wait until a feed is published or rejected, and show how far it is; raise SetupError when it gets no further."""
    known: dict[str, Any] = {}
    shown, until = "", time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = await client.get(f"/feeds/{feed_id}")
        # A part that is starting again takes the import up where it was.
        feed = known if answer.json().get("retryable") else checked(answer)
        if feed and feed["state"] != "importing":
            if shown and sys.stdout.isatty():
                print(flush=True)
            return feed
        if feed != known:
            known, until = feed, time.monotonic() + PATIENCE_SECONDS
            shown = show(feed["progress"], shown, say)
        elif time.monotonic() > until:
            raise SetupError(
                f"The import got no further in {PATIENCE_SECONDS:.0f} seconds; it goes on by itself when it can."
                f" Ask for it at {client.base_url}feeds/{feed_id}, as a member of staff."
            )
        await asyncio.sleep(POLL_SECONDS)


def show(progress: dict[str, Any] | None, shown: str, say: Say) -> str:
    """Show progress as a bar on a terminal, or else by steps; return what is shown by now."""
    if progress is None:
        return shown
    is_drawn = sys.stdout.isatty()
    line = bar(progress) if is_drawn else f"{STEPS[progress['step']]} ..."
    if is_drawn:
        print(f"\r\x1b[K{line}", end="", flush=True)
    elif line != shown:
        say(line)
    return line


def bar(progress: dict[str, Any]) -> str:
    """Draw how far a step is."""
    done, total = progress["done"], max(1, progress["total"])
    full = BAR_CHARS * done // total
    return f"{STEPS[progress['step']]:16} [{'#' * full}{'.' * (BAR_CHARS - full)}] {done}/{total}"


def summary(feed: dict[str, Any]) -> list[str]:
    """Tell what became of a feed, in lines for the terminal."""
    counts, changes, problems = feed["counts"], feed["changes"], feed["problems"]
    told = [
        f"{one['severity']}: {one['file']}:{one['line']} {one['field']}: {one['reason']}"
        for one in problems[:PROBLEMS_SHOWN]
    ]
    if feed["problems_total"] > len(told):
        told.append(f"... and {feed['problems_total'] - len(told)} more")
    if feed["state"] == "rejected":
        return [*told, "Rejected: nothing has changed. Mend the feed, or take the rest with --skip-bad."]
    seen = ", ".join(f"{number} {name}" for name, number in counts.items())
    differ = ", ".join(f"{number} {name}" for name, number in changes.items())
    until = f", on sale until {feed['on_sale_until']}" if feed["on_sale_until"] else " (a dry run: nothing has changed)"
    told += [f"{feed['operator_id']}: {seen}{until}", f"Departures: {differ}"]
    if withheld := feed["withheld_departure_ids"]:
        told.append(f"Booked, so left as they were; cancel them or let them run: {', '.join(withheld)}")
    return told
