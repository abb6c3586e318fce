// The dialog that shows the #panel of another page. Closing it asks first if the user typed
// something. A value that is shown only once ([data-once]) stays until its own button closes it.

export class FormDialog {
  // Whether a form of the panel, in the dialog or on a page of its own, has unsaved input.
  #isChanged = false;

  constructor(dialog, question) {
    this.dialog = dialog;
    this.question = question;
    this.#show();
    this.#trackChanges();
    this.#closeOnlyWhenAllowed();
    this.#close();
  }

  #show() {
    document.addEventListener("htmx:afterSwap", ({ detail }) => {
      if (detail.target?.id === "dialog-body" && !this.dialog.open) this.dialog.showModal();
      if (document.querySelector("[data-once]")) this.#isChanged = false; // the form was saved
    });
    document.addEventListener("htmx:afterSettle", ({ target }) => {
      const panel = target.closest("#panel") ?? target.querySelector?.("#panel");
      if (panel && !target.closest("[role=status]")) focusPanel(panel);
    });
  }

  #trackChanges() {
    const track = ({ target }) => {
      if (target.closest("#panel form[method=post]")) this.#isChanged = true;
    };
    document.addEventListener("input", track, true);
    document.addEventListener("change", track, true);
    document.addEventListener("submit", ({ target }) => {
      if (target.matches("[method=post]:not([hx-post])")) this.#isChanged = false;
    });
    document.addEventListener("htmx:beforeOnLoad", ({ detail }) => {
      if (detail.xhr.getResponseHeader("HX-Redirect")) this.#isChanged = false;
    });
    document.addEventListener("click", ({ target }) => {
      if (target.closest("a[data-close]")) this.#isChanged = false; // Cancel discards the input
    });
    addEventListener("beforeunload", (event) => {
      if (this.#isChanged) event.preventDefault();
    });
  }

  #closeOnlyWhenAllowed() {
    const { dialog, question } = this;
    dialog.addEventListener("cancel", (event) => {
      if (event.target === dialog) this.#refuseToClose(event);
    });
    // Browsers do not send "cancel" for a second Escape, so the key press is handled as well.
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented) this.#refuseToClose(event);
    });
    dialog.addEventListener("mousedown", (event) => {
      const isBackdrop = event.target === dialog && !contains(dialog, event);
      if (isBackdrop && !this.#refuseToClose(event)) dialog.close();
    });
    dialog.addEventListener("click", (event) => {
      // Unlike Escape and the backdrop, this button closes what is shown only once.
      if (this.#isChanged && event.target.closest(".dialog-close button")) {
        this.#refuseToClose(event);
      }
      if (event.target.closest("[data-close]")) {
        event.preventDefault();
        dialog.close();
      }
    });
    question.addEventListener("close", () => {
      if (question.returnValue === "discard") dialog.close();
    });
  }

  // Prevents the default action of `event` if the dialog has to stay open, and says whether it has.
  #refuseToClose(event) {
    const isOnce = this.dialog.querySelector("[data-once]") !== null;
    if (!isOnce && !this.#isChanged) return false;
    event.preventDefault();
    if (!isOnce) {
      this.question.returnValue = "";
      this.question.showModal();
    }
    return true;
  }

  #close() {
    this.dialog.addEventListener("close", () => {
      this.#isChanged = false;
      const wasOnce = this.dialog.querySelector("[data-once]");
      document.getElementById("dialog-body").replaceChildren();
      if (wasOnce) location.reload(); // the page behind does not list the new object yet
    });
    // The Back button must not show again what is shown only once.
    addEventListener("pagehide", () => {
      const once = document.querySelector("[data-once]");
      if (!once) return;
      once.remove();
      addEventListener("pageshow", () => location.reload());
    });
  }
}

function focusPanel(panel) {
  const invalid = panel.querySelector("[aria-invalid=true]");
  const alert = panel.querySelector("[role=alert]");
  if (invalid) invalid.focus();
  else if (alert) {
    alert.tabIndex = -1; // or the dialog would scroll past it to the first input
    alert.focus();
  } else if (document.activeElement === document.body) {
    panel.querySelector("[autofocus]")?.focus();
  }
}

function contains(element, { clientX, clientY }) {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  return clientX >= left && clientX <= right && clientY >= top && clientY <= bottom;
}
