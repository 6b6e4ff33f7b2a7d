// Swagger UI over our own document: no validator, no address but this host's.

// The value that the document shows for Idempotency-Key; every click sends a fresh one in its place.
const SHOWN_KEY = "a-fresh-value-for-every-request";

// The fifth call comes fifth, whatever else its paths have.
const JOURNEY = ["search_itineraries", "quote_fare", "create_guest", "hold_booking", "confirm_booking"];

// The moment that the examples show; here it is tomorrow, and now.
const SHOWN = {
  "2030-06-01T08:12:30Z": () => new Date().toISOString(),
  "2030-06-01": () => new Date(Date.now() + 24 * 3600 * 1000).toISOString().slice(0, 10),
  1906531200: () => String(Math.floor(Date.now() / 1000)),
};

// What an answer gives takes the place of what the examples show, so that a journey goes on from click to click.
const learnt = new Map();
const SHOWN_ID = "01jd8k2m3n4p5q6r7s8t9v0w1x";
const LESSONS = [
  [/\/itineraries$/, ({ items: [ride] }) => ride && {
    [`dep_${SHOWN_ID}`]: ride.legs[0].departure_id,
    stp_156wy1rbyeh4ekj395wjwfgk: ride.legs[0].origin.stop_id,
    stp_dhnqtkz44sddg8wkcwt34w5j: ride.legs[0].destination.stop_id,
  }],
  [/\/quotes$/, ({ token }) => ({ "the-token-that-quote_fare-answered": token })],
  [/\/bookings$/, ({ id }) => id && { [`bkg_${SHOWN_ID}`]: id }],
  [/\/confirm$/, ({ tickets: [ticket] }) => ticket && { [`tkt_${SHOWN_ID}`]: ticket.id }],
  [/\/cancellation-quotes$/, ({ token }) => ({ "the-token-that-quote_cancellation-answered": token })],
];

function learn({ ok, url, text }) {
  const { pathname } = new URL(url);
  const [, read] = LESSONS.find(([path]) => ok && path.test(pathname)) ?? [];
  Object.entries(read?.(JSON.parse(text)) ?? {}).forEach(([shown, present]) => learnt.set(shown, present));
}

// A search goes from station to station, whatever platforms it has found.
function withLearnt(request) {
  if (new URL(request.url, location).pathname.endsWith("/itineraries")) return;
  for (const [shown, present] of learnt) {
    request.url = request.url.replaceAll(shown, present);
    if (typeof request.body === "string") request.body = request.body.replaceAll(shown, present);
  }
}

// The guest that was made here travels on until somebody signs in.
let guest = "";

function readAnswer(response) {
  learn(response);
  if (response.url.endsWith("/v1/guests") && response.status === 201) {
    guest = JSON.parse(response.text).access_token;
  } else if (response.status === 401) {
    guest = "";
  }
  if (response.url.endsWith("/openapi.json")) {
    for (const [shown, present] of Object.entries(SHOWN)) {
      response.text = response.text.replaceAll(shown, present());
    }
  }
  return response;
}

function placeOf(operation) {
  const place = JOURNEY.indexOf(operation.getIn(["operation", "operationId"]));
  return place < 0 ? JOURNEY.length : place;
}

function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function mendRequest(request) {
  withLearnt(request);
  if (guest && !request.headers.Authorization) {
    request.headers.Authorization = `Bearer ${guest}`;
  }
  if (request.headers["Idempotency-Key"] === SHOWN_KEY) {
    request.headers["Idempotency-Key"] = freshKey();
  }
  return request;
}

window.ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  validatorUrl: null,
  deepLinking: true,
  displayOperationId: true,
  displayRequestDuration: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  requestInterceptor: mendRequest,
  responseInterceptor: readAnswer,
  operationsSorter: (one, other) => placeOf(one) - placeOf(other),
});
