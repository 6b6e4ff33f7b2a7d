// Swagger UI over our own document: no validator, no address but this host's.

// The value that the document shows for Idempotency-Key; every click sends a fresh one in its place.
const SHOWN_KEY = "a-fresh-value-for-every-request";

function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function withFreshKey(request) {
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
  requestInterceptor: withFreshKey,
});
