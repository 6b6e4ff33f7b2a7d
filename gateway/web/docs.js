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

// The guest that was made here travels on until somebody signs in.
let guest = "";

function readAnswer(response) {
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
