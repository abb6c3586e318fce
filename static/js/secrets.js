// Secret fields. The server never sends a secret back: when it returns the form again, the values
// that the user typed are restored here. They are forgotten when the dialog closes.

export function keepSecrets(dialog) {
  const secrets = new Map();

  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    for (const input of detail.target.querySelectorAll("[data-secret]")) {
      if (input.value) secrets.set(input.name, input.value);
      else secrets.delete(input.name);
    }
  });
  document.addEventListener("htmx:load", ({ detail }) => {
    if (detail.elt.closest("[role=status]")) return;
    for (const input of detail.elt.querySelectorAll("[data-secret]")) {
      if (!input.value) input.value = secrets.get(input.name) ?? "";
    }
  });
  dialog.addEventListener("close", () => secrets.clear());

  document.addEventListener("paste", pasteLines);
  document.addEventListener("keydown", submitPaste);
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-reveal]");
    if (button) toggle(button);
  });
}

// An <input> holds one line: pasted lines go to the form's text box, or become one line.
function pasteLines(event) {
  const input = event.target;
  const text = event.clipboardData?.getData("text").trim() ?? "";
  if (!input.matches("input[data-secret]") || !text.includes("\n")) return;
  event.preventDefault();
  const box = input.form.elements.paste;
  if (box) box.value = text;
  else {
    const line = text.replace(/\s+/g, " ");
    input.setRangeText(line, input.selectionStart, input.selectionEnd, "end");
  }
  (box ?? input).dispatchEvent(new Event("input", { bubbles: true }));
}

function submitPaste(event) {
  if (event.key !== "Enter" || event.shiftKey || event.target.name !== "paste") return;
  event.preventDefault();
  event.target.form.requestSubmit();
}

function toggle(button) {
  const input = document.getElementById(button.dataset.reveal);
  const isShown = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", isShown);
  if (input.tagName === "TEXTAREA") input.classList.toggle("masked", !isShown);
  else input.type = isShown ? "text" : "password";
}
