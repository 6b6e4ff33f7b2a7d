// Calls of the public API, and how its values are written.

function freshKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// What got lost is asked once more; the same key sees to it that nothing is done twice.
async function ask(path, options = {}) {
  const reply = await fetch(path, options).catch(() => fetch(path, options)).catch(() => {
    throw new Error("The server cannot be reached. Try again in a moment.");
  });
  if (reply.ok) return reply;
  const problem = await reply.json().catch(() => ({}));
  const said = problem.detail || problem.title || `The server answered ${reply.status}.`;
  throw Object.assign(new Error(said), { status: reply.status });
}

function bearer(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

export async function get(path, query = [], token = "") {
  return (await ask(`/v1${path}?${new URLSearchParams(query)}`, { headers: bearer(token) })).json();
}

// A whole list, as far as ten pages go.
export async function getAll(path, query = {}, token = "") {
  const items = [];
  for (let cursor = "", page = 0; page < 10 && cursor !== null; page += 1) {
    const found = await get(path, { ...query, limit: 200, cursor }, token);
    items.push(...found.items);
    cursor = found.next_cursor;
  }
  return items;
}

async function send(method, path, body, headers) {
  const options = { method, headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) };
  return (await ask(`/v1${path}`, options)).json();
}

export function post(path, body, token) {
  return send("POST", path, body, { "Idempotency-Key": freshKey(), ...bearer(token) });
}

// Over the version that was seen, and no other.
export function put(path, body, version, token) {
  return send("PUT", path, body, { "If-Match": `"${version}"`, ...bearer(token) });
}

// Tokens for a form of OAuth 2.
export async function grant(form) {
  return (await ask("/v1/oauth/token", { method: "POST", body: new URLSearchParams(form) })).json();
}

// An image cannot send a token, so its text comes by fetch; the policy lets data: images in.
export async function image(url, token) {
  const svg = await (await ask(url, { headers: bearer(token) })).text();
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

const EVENTS = ["state", "position", "arrival", "availability"];
const AGAIN_MS = 5000;

// Take the events of a stream while the page is seen, until what is returned is called: a browser has few connections
// to a host, for all its tabs. It comes back by itself after an end, but not when refused, and says nothing meanwhile.
export function listen(path, query, take, lost = () => {}) {
  let source, timer, failures = 0;
  function close() {
    clearTimeout(timer);
    source?.close();
  }
  function open() {
    close();
    if (document.hidden) return;
    source = new EventSource(`/v1${path}?${new URLSearchParams(query)}`);
    EVENTS.forEach((name) => source.addEventListener(name, (event) => take(name, JSON.parse(event.data))));
    source.addEventListener("open", () => { failures = 0; });
    source.addEventListener("error", () => {
      failures += 1;
      if (source.readyState !== EventSource.CLOSED && failures === 1) return;
      close();
      lost();
      timer = setTimeout(open, AGAIN_MS);
    });
  }
  open();
  document.addEventListener("visibilitychange", open);
  return () => { document.removeEventListener("visibilitychange", open); close(); };
}

// Ask for what nobody clicked for until it is answered; what goes wrong meanwhile is told each time.
export async function insist(ask, failed) {
  for (;;) {
    try {
      return await ask();
    } catch (failure) {
      failed(failure);
      await new Promise((again) => setTimeout(again, AGAIN_MS));
    }
  }
}

export function money({ amount_minor: amount, currency }) {
  const format = new Intl.NumberFormat("en-GB", { style: "currency", currency });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
}

export function clock(instant, timeZone) {
  return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone }).format(new Date(instant));
}

export function zone(instant, timeZone) {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZone, timeZoneName: "short" }).formatToParts(new Date(instant));
  return parts.find((part) => part.type === "timeZoneName").value;
}

export function delay(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const minutes = Math.round(seconds / 60);
  if (minutes === 0) return "on time";
  return minutes > 0 ? `${minutes} min late` : `${-minutes} min early`;
}
