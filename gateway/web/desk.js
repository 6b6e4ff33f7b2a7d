// What staff do about departures: cancel them, give them a vehicle, see who travels.

import { getAll, post, put } from "./api.js";
import { byId, during, field, make, show } from "./elements.js";
import { staff } from "./session.js";

const desk = byId("desk");

// The focus goes back to where the desk was opened.
function closing(said, openedBy) {
  return make("button", { type: "button", onclick: () => { desk.replaceChildren(); byId(openedBy)?.focus(); } }, said);
}

function count(number, thing) {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

function manifest(id) {
  return staff.signedIn((token) => getAll(`/departures/${id}/manifest`, {}, token));
}

function passengerLine(entry) {
  const way = `${entry.origin.stop_name} to ${entry.destination.stop_name}`;
  return make("li", {}, make("strong", {}, entry.reference), ` ${entry.passenger.name}, seat ${entry.seat_id}, ${way}, `,
    make("span", { class: "faint" }, entry.state));
}

export async function showBookings(departure, name) {
  const entries = await manifest(departure.id);
  const told = entries.length ? make("ul", {}, ...entries.map(passengerLine)) : make("p", {}, "Nobody has a seat on it.");
  show(desk, `Bookings of ${name}`, told, closing("Close", `Bookings-${departure.id}`));
}

function cancelDepartures(departures, more) {
  const body = { operator_id: departures[0].operator_id, departure_ids: departures.map((one) => one.id), ...more };
  return staff.signedIn((token) => post("/departures/cancel", body, token));
}

async function namesHit(hit) {
  const entries = hit.booking_ids.length ? await Promise.all(hit.departure_ids.map(manifest)) : [];
  return make("ul", { id: "hit" }, ...entries.flat().map(passengerLine));
}

export async function askCancel(departures, nameOf, changed) {
  const hit = await cancelDepartures(departures, { dry_run: true });
  const reason = make("input", { id: "reason", maxlength: 500, placeholder: "Heavy storm" });
  const confirm = make("button", { type: "button", class: "main" }, `Cancel ${count(hit.departure_ids.length, "departure")}`);
  confirm.addEventListener("click", () => during(confirm, "Cancelling", async () => {
    const done = await cancelDepartures(departures, { reason: reason.value.trim() });
    await changed();
    show(desk, `${count(done.departure_ids.length, "departure")} cancelled`,
      make("p", {}, `${count(done.booking_ids.length, "booking")} hit.`), await namesHit(done), closing("Close", "all"));
  }));
  show(desk, "Cancel them?", make("ul", {}, ...departures.map((one) => make("li", {}, nameOf(one)))),
    make("p", {}, `${count(hit.booking_ids.length, "booking")} would be hit. Bookings stay, and cancelling them refunds in full.`),
    await namesHit(hit), field("Why, as riders are told", reason), make("p", { class: "line" }, confirm, closing("Keep them", "cancel")));
}

function group(label, vehicles) {
  const options = vehicles.map((one) => make("option", { value: one.id }, one.label));
  return options.length ? [make("optgroup", { label }, ...options)] : [];
}

export async function askVehicle(departure, name, changed) {
  const fleet = await staff.signedIn((token) => getAll("/vehicles", { operator_id: departure.operator_id }, token));
  if (!fleet.length) throw new Error("No vehicle is known yet: register one.");
  const fits = (one) => one.layout_id === departure.layout_id;
  const choice = make("select", { id: "vehicle" }, ...group("The same seats", fleet.filter(fits)),
    ...group("Other seats, while none is sold", fleet.filter((one) => !fits(one))));
  if (departure.vehicle) choice.value = departure.vehicle.id;
  const button = make("button", { class: "main" }, "Assign");
  const leave = closing("Leave it", `Vehicle-${departure.id}`);
  const form = make("form", { "aria-label": "Vehicle" }, field("Vehicle", choice), make("p", { class: "line" }, button, leave));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    during(button, "Assigning", async () => {
      const path = `/departures/${departure.id}/vehicle`;
      const assigned = await staff.signedIn((token) => put(path, { vehicle_id: choice.value }, departure.version, token));
      await changed();
      show(desk, `${assigned.vehicle.label} runs ${name}`, closing("Close", `Vehicle-${departure.id}`));
    });
  });
  show(desk, `Which vehicle runs ${name}?`, form);
}
