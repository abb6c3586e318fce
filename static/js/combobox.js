// An input with a list of suggestions that is searched by typing. The options come from a <datalist>;
// with data-remote, the server is asked for those that match.

import { element } from "./dom.js";

const REQUEST_DELAY = 200; // milliseconds after the last key press before the server is asked
const LIST_GAP = 4; // pixels between the input and the list
const LIST_ROOM = 180; // pixels; with less room below, the list opens upwards

export class Combobox {
  constructor(root) {
    this.input = root.querySelector("input");
    this.datalist = root.querySelector("datalist");
    this.list = element("ul", {
      id: `${this.input.id}-listbox`,
      className: "listbox",
      role: "listbox",
      hidden: true,
      popover: "manual", // in the top layer, where a dialog does not clip it
      ariaLabel: "Suggestions",
    });
    root.append(this.list);
    this.input.removeAttribute("list");
    this.input.role = "combobox";
    this.input.setAttribute("aria-expanded", "false");
    this.input.setAttribute("aria-autocomplete", "list");
    this.input.setAttribute("aria-controls", this.list.id);
    this.isMultiple = "several" in this.input.dataset; // names separated by commas
    this.isFiltered = false;
    this.committed = this.input.value;
    this.input.addEventListener("input", (event) => this.onInput(event));
    this.input.addEventListener("keydown", (event) => this.onKeydown(event));
    this.input.addEventListener("click", () => this.open(false));
    this.input.addEventListener("change", (event) => {
      // After a typed query, the browser reports a chosen option again when the input loses focus.
      if (this.input.value === this.committed) event.stopImmediatePropagation();
      this.committed = this.input.value;
    });
    this.input.addEventListener("blur", () => this.close());
    document.addEventListener(
      "scroll",
      (event) => event.target !== this.list && this.place(),
      true,
    );
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const option = event.target.closest("[role=option]");
      if (option) this.choose(option);
    });
  }

  onInput(event) {
    event.stopPropagation();
    this.open(true);
    if (!("remote" in this.input.dataset)) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fetchOptions(), REQUEST_DELAY);
  }

  // The text to search for: the whole value, or the last of several names.
  get query() {
    return this.isMultiple ? this.input.value.split(/[\s,]/).at(-1) : this.input.value.trim();
  }

  async fetchOptions() {
    const url = new URL(this.input.form.getAttribute("action"), location.href);
    const { remote } = this.input.dataset; // what the first of several inputs is asked by, or ""
    url.searchParams.set(remote || this.input.name, this.query);
    const response = await fetch(url, { headers: { Accept: "text/html" } });
    if (!response.ok || response.redirected) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = remote
      ? page.querySelector(`[data-remote="${remote}"] + datalist`)
      : page.getElementById(this.datalist.id);
    if (!fresh || !this.input.isConnected) return;
    this.datalist.replaceChildren(...fresh.children);
    if (!this.list.hidden) this.open(this.isFiltered);
  }

  open(isFiltered) {
    this.isFiltered = isFiltered;
    const query = isFiltered ? this.query.toLowerCase() : "";
    const options = [...this.datalist.options].filter((option) =>
      `${option.value} ${option.label} ${option.dataset.also ?? ""}`.toLowerCase().includes(query),
    );
    this.list.replaceChildren(...this.items(options));
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    if (this.list.showPopover && !this.list.matches(":popover-open")) this.list.showPopover();
    this.place();
    const isChosenByQuery = query && !("free" in this.input.dataset);
    this.mark(isChosenByQuery ? this.bestMatch(query) : this.optionWith(this.input.value));
  }

  // Below the input, or above it if there is more room.
  place() {
    if (this.list.hidden || !this.list.showPopover) return;
    const { left, top, bottom, width } = this.input.getBoundingClientRect();
    const below = innerHeight - bottom - LIST_GAP;
    const isAbove = below < LIST_ROOM && top - LIST_GAP > below;
    Object.assign(this.list.style, {
      left: `${left}px`,
      width: `${width}px`,
      top: isAbove ? "auto" : `${bottom + LIST_GAP}px`,
      bottom: isAbove ? `${innerHeight - top + LIST_GAP}px` : "auto",
      maxHeight: `min(17rem, ${(isAbove ? top : innerHeight - bottom) - 2 * LIST_GAP}px)`,
    });
  }

  // The first option that starts with the query, or else the first that contains it.
  bestMatch(query) {
    const { options } = this;
    const starts = (item) => item.dataset.value.toLowerCase().startsWith(query);
    return options.find(starts) ?? options[0];
  }

  optionWith(value) {
    return this.options.find((item) => item.dataset.value === value);
  }

  items(options) {
    if (!options.length) return [note("listbox-note", "No matches")];
    const items = [];
    let group;
    for (const [number, option] of options.entries()) {
      if (option.dataset.group && option.dataset.group !== group) {
        group = option.dataset.group;
        items.push(note("listbox-group", group));
      }
      const item = element("li", {
        id: `${this.list.id}-${number}`,
        role: "option",
        ariaSelected: "false",
        textContent: option.value,
      });
      item.dataset.value = option.value;
      const detail = option.getAttribute("label");
      if (detail) item.append(element("small", { textContent: detail }));
      items.push(item);
    }
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

  onKeydown(event) {
    const isOpen = !this.list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (isOpen) this.move(event.key === "ArrowDown" ? 1 : -1);
      else this.open(false);
    } else if (event.key === "Enter" && isOpen && this.marked) {
      event.preventDefault();
      this.choose(this.marked);
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    }
  }

  move(step) {
    const { options } = this;
    const next = options.indexOf(this.marked) + step;
    this.mark(options[(next + options.length) % options.length]);
  }

  choose(item) {
    const { value } = item.dataset;
    this.input.value = this.isMultiple ? `${this.prefix()}${value}, ` : value;
    this.close();
    if (this.isMultiple) this.fetchOptions(); // the options matched the last name, not the next one
  }

  // The names to keep: all but the one being typed, if the list was opened by typing.
  prefix() {
    const { value } = this.input;
    if (this.isFiltered) return value.replace(/[^\s,]*$/, "");
    return value.trim() && value.replace(/[\s,]*$/, ", ");
  }

  // Sends one change event, no matter how the value changed.
  close() {
    clearTimeout(this.timer);
    if (this.list.isConnected) this.list.hidePopover?.();
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.mark(null);
    if (this.input.value !== this.committed) {
      this.input.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }
}

function note(className, textContent) {
  return element("li", { className, role: "presentation", textContent });
}
