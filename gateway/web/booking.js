// From a ride to its ticket: quote, names, hold, pay.

import { clock, image, money, post } from "./api.js";
import { byId, during, field, make, show } from "./elements.js";
import { guest } from "./session.js";

const CARDS = { tok_success: "A card that pays", tok_declined: "A card that is declined" };
const section = byId("booking");

async function asGuest(call) {
  if (!guest.isSignedIn) guest.begin(await post("/guests", {}));
  return guest.signedIn(call);
}

export async function quoteRide(ride, party) {
  const legs = ride.legs.map((leg) => ({
    departure_id: leg.departure_id, origin_stop_id: leg.origin.stop_id, destination_stop_id: leg.destination.stop_id,
  }));
  const passengers = Array.from({ length: party }, () => ({ category: "adult" }));
  askNames(await asGuest((token) => post("/quotes", { legs, passengers }, token)), party);
}

function askNames(quote, party) {
  const names = Array.from({ length: party }, (_, at) => make("input", { id: `name-${at}`, required: true, maxlength: 200, autocomplete: at ? "off" : "name" }));
  const email = make("input", { id: "email", type: "email", required: true, autocomplete: "email" });
  const button = make("button", { class: "main" }, "Hold the seats");
  const form = make("form", { "aria-label": "Passengers" },
    make("p", {}, make("strong", {}, money(quote.total)), ` for ${party} ${party === 1 ? "adult" : "adults"}`),
    ...names.map((name, at) => field(party === 1 ? "Name" : `Name of passenger ${at + 1}`, name)),
    field("E-mail", email), button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    during(button, "Holding the seats", async () => {
      const passengers = names.map((name) => ({ name: name.value, category: "adult" }));
      const wish = { quote_token: quote.token, passengers, contact: { email: email.value } };
      askPayment(await asGuest((token) => post("/bookings", wish, token)));
    });
  });
  show(section, "Who travels?", form);
}

function seats(booking) {
  return booking.items.map((item) => item.seat_id && `${item.passenger.name}: seat ${item.seat_id}`).filter(Boolean).join(", ");
}

function askPayment(booking) {
  const card = make("select", { id: "card" }, ...Object.entries(CARDS).map(([token, name]) => make("option", { value: token }, name)));
  const button = make("button", { class: "main" }, `Pay ${money(booking.total)}`);
  const until = booking.hold_expires_at ? ` until ${clock(booking.hold_expires_at)}` : "";
  const form = make("form", { "aria-label": "Payment" },
    make("p", {}, `Booking ${booking.reference} is held${until}. ${seats(booking)}`), field("Sandbox card", card), button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    during(button, "Paying", async () => {
      const payment = { method: "sandbox", token: card.value };
      const paid = await asGuest((token) => post(`/bookings/${booking.id}/confirm`, { payment }, token));
      if (paid.state !== "confirmed") throw new Error(`The payment is ${paid.payment.state.replaceAll("_", " ")}.`);
      await showTickets(paid);
    });
  });
  show(section, "Pay", form);
}

async function showTickets(booking) {
  const pictures = await Promise.all(booking.tickets.map((ticket) => asGuest((token) => image(ticket.svg_url, token))));
  const names = booking.tickets.map((ticket) => booking.items.find((item) => item.id === ticket.item_id)?.passenger.name);
  show(section, `Booking ${booking.reference} is paid`, make("p", {}, seats(booking)),
    ...pictures.map((src, at) => make("figure", {},
      make("img", { class: "ticket", src, alt: `Ticket of ${names[at]}` }), make("figcaption", {}, names[at]))));
}
