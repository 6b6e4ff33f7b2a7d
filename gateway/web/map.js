// The network as lines and stops, without tiles.

import * as L from "/assets/leaflet/leaflet-src.esm.js";
import { get, getAll, insist } from "./api.js";
import { byId, make } from "./elements.js";

const PATTERNS_A_CALL = 50;
const dark = matchMedia("(prefers-color-scheme: dark)");

let map;
const drawn = [];

// Steps by the golden angle keep neighbours in the legend apart.
function colour(index) {
  return `hsl(${(index * 137.508) % 360}deg 70% ${dark.matches ? 65 : 38}%)`;
}

function surface(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// What the legend covers is no place for a line.
function fit(bounds) {
  const covered = matchMedia("(max-width: 48rem)").matches ? 0 : byId("legend").offsetWidth;
  map.fitBounds(bounds, { paddingTopLeft: [20, 20], paddingBottomRight: [20 + covered, 20] });
}

async function patternsOf(routes) {
  const ids = [...new Set(routes.flatMap((route) => route.pattern_ids))];
  const found = new Map();
  for (let from = 0; from < ids.length; from += PATTERNS_A_CALL) {
    const page = await get("/patterns", ids.slice(from, from + PATTERNS_A_CALL).map((id) => ["ids", id]));
    page.items.forEach((pattern) => found.set(pattern.id, pattern));
  }
  return found;
}

function lineOf(pattern) {
  const points = pattern.shape.length ? pattern.shape : pattern.calls.map((call) => call.stop);
  return points.map((point) => [point.latitude, point.longitude]);
}

function drawStops(patterns) {
  const renderer = L.canvas();
  const stops = new Map([...patterns.values()].flatMap((one) => one.calls).map((call) => [call.stop.id, call.stop]));
  return [...stops.values()].map((stop) =>
    L.circleMarker([stop.latitude, stop.longitude], { renderer, radius: 4, weight: 1.5, fillOpacity: 1 })
      .bindTooltip(make("span", {}, stop.name))
      .addTo(map));
}

function drawRoute(route, patterns) {
  const lines = route.pattern_ids.map((id) => lineOf(patterns.get(id)));
  const line = L.polyline(lines, { weight: 3, interactive: false }).addTo(map);
  const swatch = make("span", { class: "swatch" });
  const name = make("span", {}, make("strong", {}, route.short_name), ` ${route.long_name}`);
  const button = make("button", { type: "button", onclick: () => fit(line.getBounds()) }, swatch, name);
  byId("legend").querySelector("ul").append(make("li", {}, button));
  return { line, swatch };
}

function paint(stops) {
  drawn.forEach(({ line, swatch }, index) => {
    line.setStyle({ color: colour(index) });
    swatch.style.background = colour(index);
  });
  stops.forEach((stop) => stop.setStyle({ color: surface("--ink"), fillColor: surface("--stop") }));
}

async function readNetwork() {
  const routes = (await getAll("/routes")).filter((route) => route.pattern_ids.length);
  return { routes, patterns: await patternsOf(routes) };
}

function sayWhy({ message }) {
  const said = `The network is asked for again in a moment. ${message}`;
  if (byId("missing").textContent !== said) byId("missing").textContent = said;
}

// Return the map and how many routes are on it, once they can be read.
export async function drawNetwork() {
  map = L.map("map", { attributionControl: false, zoomSnap: 0.25 }).setView([30, 0], 2);
  if (matchMedia("(max-width: 48rem)").matches) byId("legend").open = false;
  const { routes, patterns } = await insist(readNetwork, sayWhy);
  byId("missing").textContent = "";
  drawn.push(...routes.map((route) => drawRoute(route, patterns)));
  const stops = drawStops(patterns);
  paint(stops);
  dark.addEventListener("change", () => paint(stops));
  if (stops.length) fit(L.featureGroup(stops).getBounds());
  return { map, routes: routes.length };
}
