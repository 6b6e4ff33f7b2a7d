// A field that suggests stops: the combobox pattern, by keyboard and by pointer.

import { get } from "./api.js";
import { make } from "./elements.js";

const PAUSE_MS = 150;

export function stopField(input) {
  const list = make("ul", { class: "suggestions", role: "listbox", id: `${input.id}-list`, "aria-label": "Stops", hidden: true });
  const field = { stopId: null };
  let found = [], active = -1, timer, asked = 0;
  input.after(list);
  Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-controls": list.id, "aria-expanded": "false" })
    .forEach(([name, value]) => input.setAttribute(name, value));

  function open(isOpen) {
    list.hidden = !isOpen;
    input.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) mark(-1);
  }

  function mark(index) {
    active = index;
    [...list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
    if (index < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", list.children[index].id);
    list.children[index]?.scrollIntoView({ block: "nearest" });
  }

  function choose(stop) {
    input.value = stop.name;
    input.setCustomValidity("");
    field.stopId = stop.id;
    open(false);
  }

  async function suggest() {
    const question = ++asked;
    const page = await get("/stops", { q: input.value, limit: 8 }).catch(() => ({ items: [] }));
    if (question !== asked || field.stopId) return;
    found = page.items;
    list.replaceChildren(...found.map((stop, at) => make("li", {
      role: "option", id: `${list.id}-${at}`, "aria-selected": "false",
      onpointerdown: (event) => { event.preventDefault(); choose(stop); },
    }, stop.name)));
    open(found.length > 0 && document.activeElement === input);
  }

  input.setCustomValidity("Choose a stop from the list.");
  input.addEventListener("input", () => {
    field.stopId = null;
    input.setCustomValidity("Choose a stop from the list.");
    clearTimeout(timer);
    if (input.value.trim()) timer = setTimeout(suggest, PAUSE_MS);
    else open(false);
  });
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown") mark((active + 1) % found.length);
    else if (event.key === "ArrowUp") mark((active <= 0 ? found.length : active) - 1);
    else if (event.key === "Enter" && active >= 0) choose(found[active]);
    else if (event.key === "Escape") open(false);
    else return;
    event.preventDefault();
  });
  input.addEventListener("blur", () => open(false));
  return field;
}
