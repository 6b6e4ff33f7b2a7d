"""The pages: the live one, the operator's and the documentation's; everything they load comes from here."""

from html import escape
from importlib.resources import files
from pathlib import Path

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

from gateway.bodies import Router
from gateway.problems import PROBLEMS

WEB = Path(__file__).parents[1] / "web"
VIEWERS = Path(fastapi_offline.__file__).parent / "static"
LEAFLET = Path(str(files("js_lib_leaflet"))) / "static/js_lib_leaflet"
VIEWERS_URL, WEB_URL, LEAFLET_URL = "/assets/docs", "/assets/web", "/assets/leaflet"

REDOC_LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg"

router = Router(include_in_schema=False)


@router.get("/")
async def live_page() -> HTMLResponse:
    """Show the network, and sell rides on it."""
    return HTMLResponse((WEB / "index.html").read_text())


@router.get("/operator")
async def operator_page() -> HTMLResponse:
    """Show an operator's day to its staff."""
    return HTMLResponse((WEB / "operator.html").read_text())


@router.get("/docs")
async def swagger_ui() -> HTMLResponse:
    """Show every operation, to try out in the browser."""
    return HTMLResponse((WEB / "docs.html").read_text())


@router.get("/redoc")
async def redoc() -> HTMLResponse:
    """Show every operation, to read."""
    return get_redoc_html(
        openapi_url="openapi.json",
        title="Headway",
        redoc_js_url=f"{VIEWERS_URL}/redoc.standalone.js",
        redoc_favicon_url=f"{VIEWERS_URL}/favicon.png",
        with_google_fonts=False,
    )


@router.get(f"{VIEWERS_URL}/redoc.standalone.js")
async def redoc_script() -> Response:
    """Give ReDoc with a picture of our own where it would ask another host for its maker's."""
    script = (VIEWERS / "redoc.standalone.js").read_text().replace(REDOC_LOGO, f"{VIEWERS_URL}/favicon.png")
    return Response(script, media_type="text/javascript", headers={"Cache-Control": "public, max-age=3600"})


@router.get("/problems")
async def problems_page() -> HTMLResponse:
    """Explain every code that a problem document may carry."""
    rows = "\n".join(
        f'<tr id="{code}"><td><code>{code}</code></td><td>{problem.status}</td><td>{escape(problem.title)}</td>'
        f"<td>{escape(problem.next_step)}</td><td>{'yes' if problem.is_retryable else 'no'}</td></tr>"
        for code, problem in sorted(PROBLEMS.items())
    )
    return HTMLResponse((WEB / "problems.html").read_text().replace("{rows}", rows))


def serve_files(app: FastAPI) -> None:
    """Serve the viewers and Leaflet from their installed wheels, and our own pages' files."""
    app.mount(VIEWERS_URL, StaticFiles(directory=VIEWERS), name="viewers")
    app.mount(LEAFLET_URL, StaticFiles(directory=LEAFLET), name="leaflet")
    app.mount(WEB_URL, StaticFiles(directory=WEB), name="web")
