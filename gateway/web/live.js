// One departure as it runs, asked for while it is open on the page.

import { clock, delay, get } from "./api.js";
import { byId, make, show } from "./elements.js";
import { showVehicle } from "./map.js";

const EVERY_MS = 5000;
const section = byId("live");
let timer;

export function follow(leg) {
  clearTimeout(timer);
  const body = make("div", {});
  const close = make("button", { type: "button", onclick: stop }, "Close");
  show(section, `${leg.route.short_name} to ${leg.headsign}`, body, close);
  refresh(leg.departure_id, body);
}

function stop() {
  clearTimeout(timer);
  section.replaceChildren();
  showVehicle("", null);
}

async function refresh(id, body) {
  try {
    const live = await get(`/departures/${id}/live`);
    if (!body.isConnected) return;
    body.replaceChildren(make("p", {}, delay(live.delay_seconds) || "No position of this departure is known yet."),
      make("ol", {}, ...live.calls.map(callLine)));
    showVehicle(live.vehicle?.label ?? "", live.vehicle?.position);
  } catch (failure) {
    if (body.isConnected) body.replaceChildren(make("p", {}, failure.message));
  }
  if (body.isConnected) timer = setTimeout(refresh, EVERY_MS, id, body);
}

function callLine(call) {
  const been = call.departed_at ?? call.arrived_at;
  const planned = call.scheduled_departure_at ?? call.scheduled_arrival_at;
  const expected = been ?? call.arrival?.expected_at;
  const late = expected && planned ? delay((new Date(expected) - new Date(planned)) / 1000) : "";
  const time = planned ? clock(planned, call.timezone) : "";
  return make("li", {}, make("span", {}, `${time} ${call.stop_name}`), make("span", { class: "faint" }, been ? `left, ${late}` : late));
}
