// Vehicles on the map: each stands where it was told last, and moves as events come.

import * as L from "/assets/leaflet/leaflet-src.esm.js";
import { delay, listen } from "./api.js";
import { make } from "./elements.js";

const LATE_SECONDS = 300;
// Nobody is silent for longer without being told of as unknown: what has not been told of since is not told of here.
const GONE_MS = 120_000, SWEEP_MS = 5_000;
const markers = new Map();
let map, box, follow, followed = "", close = () => {};

// Follow what is seen and half as much around it; another view asks anew, one within the last does not.
export function showVehicles(onMap, onChosen) {
  map = onMap;
  follow = onChosen;
  map.on("moveend", look);
  setInterval(sweep, SWEEP_MS);
  look();
}

function look() {
  const view = map.getBounds();
  if (box?.contains(view)) return;
  close();
  box = view.pad(0.5);
  markers.forEach((marker, id) => { if (!box.contains(marker.getLatLng())) drop(id); });
  close = listen("/live/stream", within(box), (_, running) => place(running));
}

function within(bounds) {
  const [west, south, east, north] = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
  if (east - west >= 360) return {};
  const turned = (degrees) => ((degrees + 540) % 360 + 360) % 360 - 180;
  return { bbox: [turned(west), Math.max(south, -90), turned(east), Math.min(north, 90)].map((one) => one.toFixed(5)).join() };
}

function drop(id) {
  markers.get(id)?.remove();
  markers.delete(id);
}

// One that left the view, or went while the stream was away, would stand for ever where it was told last.
function sweep() {
  markers.forEach((marker, id) => { if (performance.now() - marker.toldAt > GONE_MS) drop(id); });
}

function place({ vehicle, departure_id: departure, delay_seconds: late }) {
  if (vehicle.freshness === "unknown") return drop(vehicle.id);
  const { latitude, longitude, heading_degrees: heading } = vehicle.position;
  const marker = markers.get(vehicle.id) ?? stand(vehicle.id, [latitude, longitude]);
  marker.setLatLng([latitude, longitude]);
  marker.departure = departure;
  marker.toldAt = performance.now();
  const said = [vehicle.label, delay(late)].filter(Boolean).join(", ");
  const element = marker.getElement();
  if (said !== element.getAttribute("aria-label")) {
    element.setAttribute("aria-label", said);
    marker.setTooltipContent(make("span", {}, said));
  }
  element.style.setProperty("--heading", `${heading ?? 0}deg`);
  element.classList.toggle("pointed", heading !== null);
  element.classList.toggle("stale", vehicle.freshness === "stale");
  element.classList.toggle("behind", late >= LATE_SECONDS);
}

function stand(id, at) {
  const icon = L.divIcon({ className: "vehicle", iconSize: [18, 18], html: make("span", {}) });
  const marker = L.marker(at, { icon, riseOnHover: true }).bindTooltip("").addTo(map);
  marker.on("click", () => follow(marker.departure));
  marker.getElement().addEventListener("keydown", (event) => { if (event.key === "Enter") follow(marker.departure); });
  markers.set(id, marker);
  mark();
  return marker;
}

function mark() {
  markers.forEach((marker, id) => marker.getElement().classList.toggle("followed", id === followed));
}

// Let the vehicle of the departure that is open stand out, and be seen.
export function markVehicle(id, position) {
  if (position && id !== followed) {
    const at = [position.latitude, position.longitude];
    if (!map.getBounds().contains(at)) map.panTo(at);
  }
  followed = position ? id : "";
  mark();
}
