// Messages about requests that failed.

import { element, foreground } from "./dom.js";

const TOAST_DURATION = 8000; // milliseconds

const PROBLEMS = {
  403: "You do not have permission, or the form has expired. Reload the page.",
  404: "This no longer exists. Reload the page.",
  413: "Too much data. Nothing was saved.",
  503: "The database is not available. Nothing was saved. Try again in a few seconds.",
};

export function installToasts(dialog) {
  const toasts = document.getElementById("toasts");

  function show(text) {
    const toast = element("p", { className: "alert error", textContent: text });
    foreground(dialog).append(toasts);
    toasts.replaceChildren(toast);
    setTimeout(() => toast.remove(), TOAST_DURATION);
  }

  document.addEventListener("htmx:responseError", ({ detail }) => {
    const { status } = detail.xhr;
    show(PROBLEMS[status] ?? `The server answered ${status}. Nothing was saved.`);
  });
  document.addEventListener("htmx:sendError", () =>
    show("Could not reach the server. Nothing was saved. Try again."),
  );
}
