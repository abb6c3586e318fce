// Behaviour of the pages. Everything here is an improvement: without it, each page still works.

// --- Dialog: an ordinary page, framed ----------------------------------------------------------

const dialog = document.getElementById("dialog");

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id === "dialog-body" && !dialog.open) dialog.showModal();
});

document.addEventListener("htmx:afterSettle", (event) => {
  const panel = event.target.closest("#panel") ?? event.target.querySelector?.("#panel");
  if (!panel || event.target.closest("[role=status]")) return; // what is told takes no focus
  const wrong = panel.querySelector("[aria-invalid=true]");
  const alert = panel.querySelector("[role=alert]");
  if (wrong) wrong.focus();
  else if (alert) {
    alert.tabIndex = -1; // or the dialog would scroll past it, to the first input
    alert.focus();
  }
  else if (document.activeElement === document.body) panel.querySelector("[autofocus]")?.focus();
});

dialog.addEventListener("close", () => {
  const once = dialog.querySelector("[data-once]");
  document.getElementById("dialog-body").replaceChildren();
  if (once) location.reload(); // the page behind does not know yet what was made
});

// What is shown only once is not lost by a slip on Escape, nor found again by going back.
dialog.addEventListener("cancel", (event) => {
  if (dialog.querySelector("[data-once]")) event.preventDefault();
});

addEventListener("pagehide", () => {
  const once = document.querySelector("[data-once]");
  if (!once) return;
  once.remove();
  addEventListener("pageshow", () => location.reload());
});

dialog.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) {
    event.preventDefault();
    dialog.close();
  }
});

// --- Small things ------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const reveal = event.target.closest("[data-reveal]");
  if (reveal) toggleReveal(reveal);
  const copier = event.target.closest("[data-copy]");
  if (copier) copy(copier);
  if (event.target.closest("[data-theme-toggle]")) toggleTheme();
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

function toggleReveal(button) {
  const input = document.getElementById(button.dataset.reveal);
  const shown = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", shown);
  if (input.tagName === "TEXTAREA") input.classList.toggle("masked", !shown);
  else input.type = shown ? "text" : "password";
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  let copied = true;
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    getSelection().selectAllChildren(source); // without https there is no clipboard but this
    copied = document.execCommand("copy");
  }
  const status = button.parentElement.querySelector("[role=status]");
  status.textContent = copied ? "Copied" : "Select it and copy it yourself.";
}

function toggleTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
}

// A JSON credential tells some of the other fields by itself.
document.addEventListener("input", (event) => {
  const form = event.target.form;
  for (const field of form?.querySelectorAll("[data-derived-from]") ?? []) {
    const [source, member] = field.dataset.derivedFrom.split(".");
    if (event.target.name !== source || (field.value && !field.dataset.derived)) continue;
    try {
      const told = JSON.parse(event.target.value)[member];
      if (typeof told === "string") {
        field.value = told;
        field.dataset.derived = "yes";
      }
    } catch {
      // not a whole document yet
    }
  }
});

// What a test found holds for what was typed then.
for (const kind of ["input", "change"]) {
  document.addEventListener(kind, (event) => {
    if (!event.target.closest("[data-tested]")) return;
    const form = event.target.form;
    form?.querySelector("button[name=test]")?.dispatchEvent(new Event("htmx:abort"));
    form?.querySelector("#test-result")?.replaceChildren();
  });
}

// The weights of an endpoint's primary routes, added up as they are typed.
document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-weight]")) return;
  const { form } = event.target;
  const weights = [...form.querySelectorAll("[data-weight]")].map((input) => Number(input.value));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const shown = form.querySelector("[data-weight-sum]");
  shown.textContent = `${sum} of 100 %`;
  shown.parentElement.classList.toggle("off", sum !== 100);
});

// What a button did to a form is told to people who do not see it.
const announcer = element("p", { className: "visually-hidden", role: "status" });

document.addEventListener("htmx:afterSettle", (event) => {
  const told = event.target.closest("#panel")?.querySelector("[data-announce]");
  if (!told) return;
  (dialog.open ? dialog : document.body).append(announcer);
  announcer.textContent = "";
  setTimeout(() => (announcer.textContent = told.textContent), LIST_DELAY); // noticed once it is there
});

// --- What went wrong on the way ----------------------------------------------------------------

const PROBLEMS = {
  403: "You may not do this, or the form has expired. Reload the page.",
  404: "This does not exist any more. Reload the page.",
  413: "That is too large. Nothing was saved.",
  503: "The database cannot be used right now. Nothing was saved; try again in a few seconds.",
};

document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  toast(PROBLEMS[status] ?? `The server answered ${status}. Nothing was saved.`);
});

document.addEventListener("htmx:sendError", () =>
  toast("The server cannot be reached. Nothing was saved; try again."),
);

function toast(text) {
  const note = document.createElement("p");
  note.className = "alert error";
  note.textContent = text;
  const home = dialog.open ? dialog : document.body;
  home.append(document.getElementById("toasts"));
  document.getElementById("toasts").replaceChildren(note);
  setTimeout(() => note.remove(), 8000);
}

// --- Combobox: a list that is searched by typing -----------------------------------------------

const LIST_DELAY = 200; // milliseconds of silence before the server is asked

class Combobox {
  constructor(root) {
    this.input = root.querySelector("input");
    this.datalist = root.querySelector("datalist");
    this.list = document.createElement("ul");
    this.list.id = `${this.input.id}-listbox`;
    this.list.className = "listbox";
    this.list.role = "listbox";
    this.list.hidden = true;
    this.list.setAttribute("aria-label", "Suggestions");
    root.append(this.list);
    this.input.removeAttribute("list");
    this.input.role = "combobox";
    this.input.setAttribute("aria-expanded", "false");
    this.input.setAttribute("aria-autocomplete", "list");
    this.input.setAttribute("aria-controls", this.list.id);
    this.several = "several" in this.input.dataset; // names with commas between them
    this.filtered = false;
    this.committed = this.input.value;
    this.input.addEventListener("input", (event) => this.typed(event));
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("click", () => this.open(false));
    this.input.addEventListener("change", () => (this.committed = this.input.value));
    this.input.addEventListener("blur", () => this.close());
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const option = event.target.closest("[role=option]");
      if (option) this.choose(option);
    });
  }

  typed(event) {
    event.stopPropagation();
    this.open(true);
    if (!("remote" in this.input.dataset)) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), LIST_DELAY);
  }

  // What is looked for: all that was typed, or the last of several names.
  get typing() {
    return this.several ? this.input.value.split(/[\s,]/).at(-1) : this.input.value.trim();
  }

  async ask() {
    const url = new URL(this.input.form.getAttribute("action"), location.href);
    const { remote } = this.input.dataset; // the input that offers the same, if it is another
    url.searchParams.set(remote || this.input.name, this.typing);
    const response = await fetch(url, { headers: { Accept: "text/html" } });
    if (!response.ok || response.redirected) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById(remote ? `id_${remote}-options` : this.datalist.id);
    if (!fresh || !this.input.isConnected) return;
    this.datalist.replaceChildren(...fresh.children);
    if (!this.list.hidden) this.open(this.filtered);
  }

  open(filtered) {
    this.filtered = filtered;
    const words = filtered ? this.typing.toLowerCase() : "";
    const options = [...this.datalist.options].filter((option) =>
      `${option.value} ${option.label} ${option.dataset.also ?? ""}`.toLowerCase().includes(words),
    );
    this.list.replaceChildren(...this.items(options));
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.mark(filtered && words && !("free" in this.input.dataset) ? this.best(words) : this.options.find((item) => item.dataset.value === this.input.value));
  }

  // What begins with the words, or else contains them.
  best(words) {
    const { options } = this;
    return options.find((item) => item.dataset.value.toLowerCase().startsWith(words)) ?? options[0];
  }

  items(options) {
    if (!options.length) return [element("li", { className: "listbox-note", role: "presentation", textContent: "Nothing fits." })];
    const items = [];
    let group;
    options.forEach((option, number) => {
      if (option.dataset.group && option.dataset.group !== group) {
        group = option.dataset.group;
        items.push(element("li", { className: "listbox-group", role: "presentation", textContent: group }));
      }
      const item = element("li", { id: `${this.list.id}-${number}`, role: "option", textContent: option.value });
      item.dataset.value = option.value;
      item.setAttribute("aria-selected", "false");
      const detail = option.getAttribute("label");
      if (detail) item.append(element("small", { textContent: detail }));
      items.push(item);
    });
    return items;
  }

  get options() {
    return [...this.list.querySelectorAll("[role=option]")];
  }

  mark(item) {
    for (const option of this.options) option.setAttribute("aria-selected", option === item);
    this.marked = item;
    if (item) {
      this.input.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    } else this.input.removeAttribute("aria-activedescendant");
  }

  key(event) {
    const open = !this.list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) return this.open(false);
      const step = event.key === "ArrowDown" ? 1 : -1;
      const { options } = this;
      const next = options.indexOf(this.marked) + step;
      this.mark(options[(next + options.length) % options.length]);
    } else if (event.key === "Enter" && open && this.marked) {
      event.preventDefault();
      this.choose(this.marked);
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    }
  }

  choose(item) {
    this.input.value = this.several ? `${this.before()}${item.dataset.value}, ` : item.dataset.value;
    this.close();
    if (this.several) this.ask(); // the next name may be another one altogether
  }

  // The names that stay: all but the one being typed, if the list was opened by typing.
  before() {
    const { value } = this.input;
    if (this.filtered) return value.replace(/[^\s,]*$/, "");
    return value.trim() && value.replace(/[\s,]*$/, ", ");
  }

  // Whatever way the value changed, the form hears of it once.
  close() {
    clearTimeout(this.timer);
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.mark(null);
    if (this.input.value !== this.committed) {
      this.input.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }
}

function element(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

function enhance(root) {
  for (const button of root.querySelectorAll("[data-reveal], [data-theme-toggle], [data-copy]")) button.hidden = false;
  for (const box of root.querySelectorAll("[data-combobox]:not([data-ready])")) {
    box.dataset.ready = "yes";
    new Combobox(box);
  }
}

document.addEventListener("htmx:load", (event) => enhance(event.detail.elt));
enhance(document);
