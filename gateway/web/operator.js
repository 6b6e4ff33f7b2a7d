// An operator's day: departures with load, delay and vehicle.

import { clock, delay, get, getAll, grant } from "./api.js";
import { askCancel, askVehicle, showBookings } from "./desk.js";
import { byId, during, make } from "./elements.js";
import { showQueues } from "./queues.js";
import { staff } from "./session.js";

const PAGE = 50;
const REFRESH_MS = 15_000;
// A field is not disabled while its wish is read: somebody is typing there.
const NO_BUTTON = {};
const now = new Date();
const today = new Date(now - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
let routes = [], shown = new Map(), places = [""], next = null, asked = 0, timer;

function nameOf(departure) {
  return `${clock(departure.starts_at, departure.calls[0].timezone)} ${departure.route.short_name} to ${departure.headsign}`;
}

async function enter() {
  const me = await staff.signedIn((token) => get("/me", [], token));
  if (!me.scopes.includes("timetable:write")) {
    staff.end();
    throw new Error("This account is not one of an operator's staff.");
  }
  routes = await getAll("/routes");
  const operators = me.operator_id === "*" ? [...new Set(routes.map((route) => route.operator_id))].sort() : [me.operator_id];
  byId("operator").replaceChildren(...operators.map((one) => make("option", {}, one)));
  showSignedIn(true);
  await showLines();
}

function showSignedIn(isIn) {
  byId("sign-in").hidden = isIn;
  byId("day").hidden = byId("leave").hidden = !isIn;
  byId("desk").replaceChildren();
  if (!isIn) byId("user").focus();
}

function showLines() {
  const lines = routes.filter((route) => route.operator_id === byId("operator").value);
  byId("line").replaceChildren(make("option", { value: "" }, "All"),
    ...lines.map((route) => make("option", { value: route.id }, `${route.short_name} ${route.long_name}`)));
  return restart();
}

// What is over today comes under Earlier, or above what is seen first.
async function restart() {
  places = [""];
  const isToday = byId("date").value === today;
  while (await list() && isToday && next && [...shown.values()].every(isOver)) places.push(next);
  if (isToday) [...shown.values()].find((one) => !isOver(one))?.row.scrollIntoView({ block: "center" });
}

function isOver({ departure: { state } }) {
  return state === "completed";
}

// Ask for what is shown, now and again every so often. Return whether nothing else was asked for meanwhile.
async function list() {
  const question = ++asked;
  clearTimeout(timer);
  try {
    await read(question);
  } finally {
    if (question === asked) timer = setTimeout(listUnasked, REFRESH_MS);
  }
  return question === asked;
}

// What fails unasked is asked again later, and says nothing.
function listUnasked() {
  if (!staff.isSignedIn) return;
  if (document.hidden) timer = setTimeout(listUnasked, REFRESH_MS);
  else list().catch(() => {});
}

async function read(question) {
  const wish = { operator_id: byId("operator").value, date: byId("date").value, limit: PAGE, cursor: places.at(-1) };
  if (byId("line").value) wish.route_id = byId("line").value;
  const found = await get("/departures", wish);
  if (question !== asked) return;
  next = found.next_cursor;
  shown = new Map(found.items.map((departure) => [departure.id, lineOf(departure)]));
  showRows([...shown.values()].map((one) => one.row));
  byId("earlier").disabled = places.length === 1;
  byId("later").disabled = next === null;
  showChosen();
  if (shown.size) await showLoads();
  await showQueues();
}

// What has not changed stays as it is, and what was chosen stays chosen.
function lineOf(departure) {
  const before = shown.get(departure.id);
  if (before && JSON.stringify(before.departure) === JSON.stringify(departure)) return before;
  const made = row(departure);
  made.box.checked = Boolean(before?.box.checked) && !made.box.disabled;
  if (before) made.load.replaceChildren(...before.load.childNodes);
  return made;
}

// The focus stays where it was, although its row is another one.
function showRows(rows) {
  const body = byId("departures");
  if (rows.length && rows.length === body.children.length && rows.every((one, at) => one === body.children[at])) return;
  const { id } = document.activeElement;
  const nothing = make("tr", { role: "row" }, make("td", { role: "cell", colspan: 6 }, "Nothing runs then."));
  body.replaceChildren(...(rows.length ? rows : [nothing]));
  if (id) byId(id)?.focus({ preventScroll: true });
}

function isOff(departure) {
  return ["cancelled", "completed"].includes(departure.state);
}

function stateOf({ state, cancellation_reason: reason }) {
  return state.replace("_", " ") + (reason ? `: ${reason}` : "");
}

function row(departure) {
  const name = nameOf(departure);
  const box = make("input", { type: "checkbox", id: `Choose-${departure.id}`, "aria-label": `Choose ${name}`, disabled: isOff(departure), onchange: showChosen });
  const state = make("td", { role: "cell" }, stateOf(departure));
  const load = make("td", { role: "cell" });
  const cells = [make("td", { role: "cell" }, box), make("th", { role: "rowheader", scope: "row" }, name), state, load,
    make("td", { role: "cell" }, departure.vehicle?.label ?? "no vehicle"),
    make("td", { role: "cell" }, verb("Bookings", departure, () => showBookings(departure, name)), " ",
      verb("Vehicle", departure, () => askVehicle(departure, name, list), isOff(departure)))];
  return { departure, box, state, load, row: make("tr", { role: "row", "data-state": departure.state }, ...cells) };
}

function verb(said, departure, work, disabled = false) {
  const button = make("button", { type: "button", id: `${said}-${departure.id}`, "aria-label": `${said} of ${nameOf(departure)}`, disabled }, said);
  button.addEventListener("click", () => during(button, "Reading", work));
  return button;
}

function chosen() {
  return [...shown.values()].filter((one) => one.box.checked).map((one) => one.departure);
}

function showChosen() {
  const { length } = chosen();
  byId("cancel").disabled = !length;
  byId("cancel").textContent = length ? `Cancel the chosen ${length}` : "Cancel the chosen ones";
  byId("all").checked = length > 0 && [...shown.values()].every(({ box }) => box.checked || box.disabled);
}

// Seats and delays of all that is shown, in one question.
async function showLoads() {
  const ids = [...shown.keys()].map((id) => ["ids", id]);
  const found = await staff.signedIn((token) => get("/departures/loads", ids, token));
  found.items.forEach((load) => showLoad(shown.get(load.departure_id), load));
}

function showLoad(one, { seats_sold: sold, seats_taken: taken, capacity, delay_seconds: seconds }) {
  if (!one) return;
  one.load.replaceChildren(`${sold} of ${capacity}${taken > sold ? `, ${taken - sold} held` : ""}`,
    make("meter", { max: capacity, value: sold, "aria-hidden": "true" }));
  const late = isOff(one.departure) ? null : seconds;
  one.state.textContent = late === null ? stateOf(one.departure) : delay(late);
  one.state.className = late > 59 ? "late" : "";
}

byId("date").value = today;
byId("filter").addEventListener("submit", (event) => event.preventDefault());
for (const [id, work] of [["operator", showLines], ["date", restart], ["line", restart]]) {
  byId(id).addEventListener("change", () => byId(id).value !== "" || id === "line" ? during(NO_BUTTON, "Reading", work) : null);
}
byId("later").addEventListener("click", () => { places.push(next); during(NO_BUTTON, "Reading", list); });
byId("earlier").addEventListener("click", () => { places.pop(); during(NO_BUTTON, "Reading", list); });
byId("cancel").addEventListener("click", () => during(byId("cancel"), "Asking what would be hit", () => askCancel(chosen(), nameOf, list)));
byId("all").addEventListener("change", () => {
  shown.forEach(({ box }) => { box.checked = byId("all").checked && !box.disabled; });
  showChosen();
});
byId("leave").addEventListener("click", () => staff.end());
addEventListener("signed-out", () => showSignedIn(false));
byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  during(byId("sign-in").querySelector("button"), "Signing in", async () => {
    staff.begin(await grant({ grant_type: "password", username: byId("user").value, password: byId("password").value }));
    byId("password").value = "";
    await enter();
  });
});

if (staff.isSignedIn) during(NO_BUTTON, "Reading", enter);
else showSignedIn(false);
