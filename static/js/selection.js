// The selected rows of the list of API keys.

export function installSelection() {
  document.addEventListener("change", ({ target }) => change(target));
  document.addEventListener("htmx:afterSettle", show);
  addEventListener("pageshow", show); // the Back button restores the checked boxes
}

function selection() {
  const form = document.getElementById("bulk");
  return {
    form,
    boxes: form ? [...form.elements].filter(({ name }) => name === "key") : [],
    page: document.querySelector("[data-select-page]"),
    all: form?.elements.all,
  };
}

function change(target) {
  const { boxes, page, all } = selection();
  if (target !== page && target !== all && !boxes.includes(target)) return;
  if (target === page || (target === all && target.checked)) {
    for (const box of boxes) box.checked = target.checked;
  }
  if (all && target !== all && !target.checked) all.checked = false;
  show();
}

function show() {
  const { form, boxes, page, all } = selection();
  if (!form) return;
  const count = boxes.filter((box) => box.checked).length;
  page.checked = count > 0 && count === boxes.length;
  page.indeterminate = count > 0 && count < boxes.length;
  const status = form.querySelector("[data-matching]");
  const selected = all?.checked ? Number(status.dataset.matching) : count;
  status.textContent = selected ? `${selected.toLocaleString("en")} selected` : "";
}
