// The page: a network, a search for rides, and what follows from it.

import { clock, delay, get, money, zone } from "./api.js";
import { quoteRide } from "./booking.js";
import { byId, during, make, show } from "./elements.js";
import { follow } from "./live.js";
import { drawNetwork } from "./map.js";
import { stopField } from "./stop_field.js";
import { showVehicles } from "./vehicles.js";

const origin = stopField(byId("origin"));
const destination = stopField(byId("destination"));
const today = new Date();
byId("date").value = new Date(today - today.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);

byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  during(event.submitter ?? event.target.querySelector("button"), "Searching", search);
});

async function search() {
  const party = Number(byId("party").value);
  byId("booking").replaceChildren();
  const found = await get("/itineraries", {
    origin_stop_id: origin.stopId, destination_stop_id: destination.stopId, date: byId("date").value, passengers: party,
  });
  if (!found.items.length) {
    show(byId("rides"), "No rides", make("p", {}, "Nothing runs then that still has a seat. Try another date."));
    return;
  }
  show(byId("rides"), "Rides", make("ul", {}, ...found.items.map((ride) => rideItem(ride, party))));
}

function rideItem(ride, party) {
  const [start] = ride.legs;
  const end = ride.legs.at(-1).destination;
  const times = `${clock(start.origin.scheduled_at, start.origin.timezone)} – ${clock(end.scheduled_at, end.timezone)}`;
  const lateness = delay(start.delay_seconds);
  const price = ride.price_from ? `${money(ride.price_from)} an adult` : "price on request";
  const book = make("button", { type: "button", class: "main", "aria-label": `Book the ride at ${times}` }, "Book");
  book.addEventListener("click", () => during(book, "Asking for the price", () => quoteRide(ride, party)));
  const live = make("button", { type: "button", "aria-label": `Follow the ride at ${times}` }, "Follow");
  live.addEventListener("click", () => during(live, "Opening", () => follow(start.departure_id)));
  return make("li", { class: "ride" },
    make("p", { class: "line" }, make("strong", {}, times, " ", make("span", { class: "faint" }, zone(start.origin.scheduled_at, start.origin.timezone))), make("span", {}, price)),
    make("p", { class: "faint" }, ride.legs.map((leg) => `${leg.route.short_name} to ${leg.headsign}`).join(", then ")),
    make("p", { class: "line faint" }, `${ride.seats_available} seats left`, make("span", { class: start.delay_seconds > 59 ? "late" : "" }, lateness)),
    make("p", { class: "line" }, book, live));
}

drawNetwork().then(
  ({ map, routes }) => {
    if (!routes) byId("status").textContent = "Nothing is on sale yet: import a timetable.";
    showVehicles(map, (departure) => during({}, "Opening", () => follow(departure)));
  },
  (failure) => { byId("error").textContent = failure.message; byId("error").hidden = false; },
);
