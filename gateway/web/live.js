// One departure as it runs, for as long as it is open on the page.

import { clock, delay, get, listen } from "./api.js";
import { byId, make, show } from "./elements.js";
import { markVehicle } from "./vehicles.js";

const section = byId("live");
let close = () => {}, asked = 0;

export async function follow(id) {
  stop();
  const question = asked;
  const departure = await get(`/departures/${id}`);
  if (question !== asked) return;
  // It is read out when it changes, and not more often.
  const summary = make("p", { "aria-live": "polite" });
  const list = make("ol", {}, ...departure.calls.map(line));
  const title = `${departure.route.short_name} to ${departure.headsign}`;
  show(section, title, summary, list, make("button", { type: "button", onclick: stop }, "Close"));
  departure.calls.forEach((call, at) => drawCall(call, undefined, list.children[at]));
  const live = { availability: null };
  close = listen(`/departures/${id}/live/stream`, {}, (name, told) => {
    const isFirst = !live.calls;
    Object.assign(live, told);
    draw(live, summary, list);
    if (isFirst && !live.availability) askSeats(id, live, () => draw(live, summary, list));
  }, () => say(summary, "There is no news at the moment. Trying again."));
}

function stop() {
  asked += 1;
  close();
  close = () => {};
  section.replaceChildren();
  markVehicle("", null);
}

// No seat was ever taken, or nobody has told yet: booking knows.
async function askSeats(id, live, draw) {
  const { seats_available: free, capacity, version } = await get(`/departures/${id}/availability`).catch(() => ({}));
  if (live.availability || free === undefined || free < capacity) return;
  live.availability = { capacity, version, seats_free: live.calls.slice(1).map(() => free) };
  draw();
}

function line() {
  return make("li", {}, make("span", {}), make("span", { class: "faint" }), make("span", { class: "faint" }));
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function draw(live, summary, list) {
  live.calls.forEach((call, at) => drawCall(call, live.availability?.seats_free[at], list.children[at]));
  say(summary, summaryOf(live));
  markVehicle(live.vehicle?.id ?? "", live.vehicle?.position);
}

function summaryOf({ state, calls, delay_seconds: late }) {
  const next = calls.find((call) => call.arrival);
  const words = [late === null ? state.replace("_", " ") : delay(late)];
  if (next) words.push(`next ${next.stop_name} at ${clock(next.arrival.expected_at, next.timezone)}`);
  else if (late === null && !["completed", "cancelled"].includes(state)) words.push("no position is known yet");
  const said = words.join(", ");
  return said[0].toUpperCase() + said.slice(1) + ".";
}

function drawCall(call, free, { children: [place, time, seats] }) {
  const { scheduled_arrival_at: arrival, scheduled_departure_at: departure } = call;
  const [verb, is, due] = call.departed_at ? ["left", call.departed_at, departure ?? arrival]
    : call.arrived_at ? ["there", call.arrived_at, arrival ?? departure] : ["", call.arrival?.expected_at, arrival ?? departure];
  const seconds = is && due ? (new Date(is) - new Date(due)) / 1000 : null;
  const planned = departure ?? arrival;
  say(place, `${planned ? clock(planned, call.timezone) : ""} ${call.stop_name}`);
  say(time, [verb, delay(seconds)].filter(Boolean).join(", "));
  time.classList.toggle("late", seconds > 59);
  say(seats, free === undefined ? "" : `${free} ${free === 1 ? "seat" : "seats"}`);
}
