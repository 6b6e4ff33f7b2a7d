"""The pages work on a machine that has no internet."""

import re
from html.parser import HTMLParser

import pytest

from gateway.caller import KEY_EXAMPLE
from gateway.openapi import EXAMPLES
from gateway.problems import PROBLEMS
from gateway.routes.docs import LEAFLET, VIEWERS, WEB
from tests.gateway.running import Running

PAGES = ["/", "/operator", "/docs", "/redoc", "/problems"]


class Loaded(HTMLParser):
    """Gathers what a page loads and what it runs."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.inline_scripts = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.urls += [str(found[name]) for name in ("src", "href", "spec-url", "action") if found.get(name)]
        self.inline_scripts += tag == "script" and not found.get("src")


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_loads_nothing_from_elsewhere(shared: Running, page: str):
    reply = await shared.client.get(page)
    assert reply.status_code == 200
    assert not re.search(r"(https?:)?//[a-z0-9]", reply.text)


@pytest.mark.parametrize("page", PAGES)
async def test_all_that_a_page_loads_is_there(shared: Running, page: str):
    for url in Loaded((await shared.client.get(page)).text).urls:
        reply = await shared.client.get(url if url.startswith("/") else f"/{url}")
        assert reply.status_code == 200, url
        assert reply.content


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_runs_no_script_of_its_own_which_the_policy_would_stop(shared: Running, page: str):
    assert Loaded((await shared.client.get(page)).text).inline_scripts == 0


async def test_the_viewers_come_from_their_wheel(shared: Running):
    assert "site-packages" in VIEWERS.parts
    sent = (await shared.client.get("/assets/docs/swagger-ui-bundle.js")).content
    assert sent == (VIEWERS / "swagger-ui-bundle.js").read_bytes()


@pytest.mark.parametrize("name", sorted(path.name for path in WEB.iterdir()))
async def test_a_file_of_ours_names_no_other_host_and_imports_what_is_there(shared: Running, name: str):
    reply = await shared.client.get(f"/assets/web/{name}")
    assert reply.status_code == 200
    assert "img-src 'self' data:" in reply.headers["content-security-policy"]
    assert not re.search(r"https?://", reply.text)
    for imported in re.findall(r'^import .*from "(.+)";$', reply.text, re.MULTILINE):
        found = await shared.client.get(str(reply.url.join(imported)))
        assert "javascript" in found.headers["content-type"], imported


async def test_leaflet_comes_from_its_wheel(shared: Running):
    assert "site-packages" in LEAFLET.parts
    sent = (await shared.client.get("/assets/leaflet/leaflet-src.esm.js")).content
    assert sent == (LEAFLET / "leaflet-src.esm.js").read_bytes()


def test_swagger_ui_asks_no_validator():
    assert "validatorUrl: null" in (WEB / "docs.js").read_text()


def test_the_page_replaces_the_key_that_the_document_shows():
    assert f'SHOWN_KEY = "{KEY_EXAMPLE}"' in (WEB / "docs.js").read_text()


@pytest.mark.parametrize("name", ["departure_id", "booking_id", "ticket_id", "origin_stop_id", "destination_stop_id"])
def test_the_page_replaces_what_the_examples_show_by_what_answers_gave(name: str):
    script = (WEB / "docs.js").read_text()
    assert EXAMPLES["parameters"][name] in script.replace("${SHOWN_ID}", script.partition('SHOWN_ID = "')[2][:26])


async def test_every_code_is_explained_where_its_type_points(shared: Running):
    page = (await shared.client.get("/problems")).text
    for code, problem in PROBLEMS.items():
        assert f'id="{code}"' in page
        assert problem.next_step.replace("`", "") in page.replace("`", "").replace("&#x27;", "'")


async def test_the_description_links_to_a_page_that_is_there(shared: Running):
    description = (await shared.client.get("/openapi.json")).json()["info"]["description"]
    for link in re.findall(r"\]\(([^)]+)\)", description):
        assert (await shared.client.get(link)).status_code == 200
