// How many events wait to leave each service and to be taken in, asked for while the page is seen.

import { byId, make } from "./elements.js";

async function health() {
  const told = await (await fetch("/readyz?verbose")).json();
  return told.facts ?? told;
}

function line(name, isUp, queues) {
  const waiting = Object.entries(queues ?? {}).map(([queue, count]) => `${queue} ${count}`).join(", ");
  return make("li", { class: isUp ? "" : "late" }, `${name}: ${isUp ? waiting || "answers" : "does not answer"}`);
}

export async function showQueues() {
  const told = await health().catch(() => null);
  const checks = Object.entries(told?.checks ?? { gateway: false });
  const lines = checks.map(([name, isUp]) => line(name, isUp, told?.waiting?.[name]));
  byId("queues").replaceChildren(make("h2", {}, "Events that wait"), make("ul", {}, ...lines));
}
