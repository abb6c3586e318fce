// What forms show while the user fills them in.

import { element, foreground } from "./dom.js";

const ANNOUNCE_DELAY = 200; // milliseconds; screen readers miss text that arrives with its element

export function installForms(dialog) {
  document.addEventListener("input", fillDerivedFields);
  document.addEventListener("input", addWeights);
  document.addEventListener("input", dropTestResult);
  document.addEventListener("change", dropTestResult);

  // Announces to screen readers what a button changed in the form.
  const announcer = element("p", { className: "visually-hidden", role: "status" });
  document.addEventListener("htmx:afterSettle", ({ target }) => {
    const message = target.closest("#panel")?.querySelector("[data-announce]");
    if (!message) return;
    foreground(dialog).append(announcer);
    announcer.textContent = "";
    setTimeout(() => {
      announcer.textContent = message.textContent;
    }, ANNOUNCE_DELAY);
  });
}

// Fills fields whose values are members of a JSON credential.
function fillDerivedFields({ target }) {
  for (const field of target.form?.querySelectorAll("[data-derived-from]") ?? []) {
    const [source, member] = field.dataset.derivedFrom.split(".");
    if (target.name !== source || (field.value && !field.dataset.derived)) continue;
    try {
      const value = JSON.parse(target.value)[member];
      if (typeof value === "string") {
        field.value = value;
        field.dataset.derived = "yes";
      }
    } catch {
      // The document is not complete yet.
    }
  }
}

// A test result applies only to the values that were tested.
function dropTestResult({ target }) {
  if (!target.closest("[data-tested]")) return;
  target.form?.querySelector("button[name=test]")?.dispatchEvent(new Event("htmx:abort"));
  target.form?.querySelector("#test-result")?.replaceChildren();
}

// Shows the sum of the weights of an endpoint's primary routes.
function addWeights({ target }) {
  if (!target.matches("[data-weight]")) return;
  const inputs = [...target.form.querySelectorAll("[data-weight]")];
  const sum = inputs.reduce((total, input) => total + Number(input.value), 0);
  const output = target.form.querySelector("[data-weight-sum]");
  output.textContent = `${sum} of 100%`;
  output.parentElement.classList.toggle("off", sum !== 100);
}
