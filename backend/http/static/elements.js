/** Makes elements; text is always text, never HTML. */

export function byId(id) {
  return document.getElementById(id);
}

/** make("p", { class: "quiet" }, "Some ", make("em", {}, "text")) */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value == null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Copies text; where the browser forbids that (plain http), selects it for the person to copy. */
export async function copy(button, element) {
  const text = element.value ?? element.textContent;
  const before = (button.dataset.text ??= button.textContent);
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    if (element.select) element.select();
    else getSelection().selectAllChildren(element);
    button.textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => (button.textContent = before), 2500);
}
