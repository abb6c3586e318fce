// Keeps the input of a form whose session has ended, without secrets, until the same user has
// signed in again.

const account = () => document.querySelector(".account bdi")?.textContent;
const isCheckable = ({ type }) => type === "checkbox" || type === "radio";

export class Drafts {
  #values = new Map();

  constructor() {
    this.#load();
    document.addEventListener("htmx:beforeOnLoad", ({ detail }) => {
      const target = detail.xhr.getResponseHeader("HX-Redirect");
      const form = detail.elt.closest("form[method=post]");
      if (form && target?.startsWith("/login/")) save(form);
    });
  }

  #load() {
    const draft = JSON.parse(sessionStorage.getItem("draft") ?? "null");
    if (draft?.path !== location.pathname) return;
    sessionStorage.removeItem("draft");
    if (draft.account === account()) this.#values = new Map(draft.values);
  }

  // Restores each value once. A provider brings its own fields, so it is chosen first: its change
  // loads them, and they are restored when they arrive.
  restore(root) {
    const inputs = root.querySelectorAll("#panel form[method=post] [name], #choice [name]");
    for (const input of this.#values.size ? inputs : []) {
      if (input.type === "hidden" || input.type === "radio" || !this.#values.has(input.name)) {
        continue;
      }
      const value = this.#values.get(input.name);
      this.#values.delete(input.name);
      if (input.type === "checkbox") input.checked = value;
      else if (input.value !== value && input.type !== "submit") {
        input.value = value;
        if (input.closest(".chooser")) {
          input.dispatchEvent(new Event("change", { bubbles: true }));
          return;
        }
      }
    }
  }
}

function save(form) {
  const values = [...form.elements]
    .filter((input) => input.name && input.type !== "hidden" && !("secret" in input.dataset))
    .map((input) => [input.name, isCheckable(input) ? input.checked : input.value]);
  const draft = { path: form.getAttribute("action"), account: account(), values };
  sessionStorage.setItem("draft", JSON.stringify(draft));
}
