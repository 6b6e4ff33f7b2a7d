// Elements of the page; text is always set as text, never as markup.

export function byId(id) {
  return document.getElementById(id);
}

export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function field(label, input) {
  return make("div", { class: "field" }, make("label", { for: input.id }, label), input);
}

// A heading that takes the focus, so that a screen reader reads on where the page went on.
export function show(section, title, ...children) {
  const heading = make("h2", { tabindex: "-1" }, title);
  section.replaceChildren(heading, ...children);
  heading.focus();
  heading.scrollIntoView({ block: "start" });
}

// Run what a click began: one at a time, and what goes wrong is said aloud.
export async function during(button, said, work) {
  const error = byId("error");
  error.hidden = true;
  button.disabled = true;
  byId("status").textContent = said;
  try {
    await work();
  } catch (failure) {
    error.textContent = failure.message;
    error.hidden = false;
    error.scrollIntoView({ block: "nearest" });
  } finally {
    button.disabled = false;
    byId("status").textContent = "";
  }
}
