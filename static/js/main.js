// Entry point. Everything here is an enhancement: without scripts, each page still works.

import { Chart } from "./chart.js";
import { Combobox } from "./combobox.js";
import { FormDialog } from "./dialog.js";
import { Drafts } from "./drafts.js";
import { installFilters } from "./filters.js";
import { installForms } from "./forms.js";
import { installPage, showButtons } from "./page.js";
import { keepSecrets } from "./secrets.js";
import { installSelection } from "./selection.js";
import { installToasts } from "./toast.js";

const dialog = document.getElementById("dialog");
new FormDialog(dialog, document.getElementById("discard"));
const drafts = new Drafts();

installFilters();
installForms(dialog);
installPage();
installSelection();
installToasts(dialog);
keepSecrets(dialog);

function enhance(root) {
  showButtons(root);
  enhanceEach(root, "[data-combobox]", Combobox);
  enhanceEach(root, ".chart", Chart);
}

function enhanceEach(root, selector, Enhancement) {
  for (const element of root.querySelectorAll(`${selector}:not([data-ready])`)) {
    element.dataset.ready = "yes";
    new Enhancement(element);
  }
}

document.addEventListener("htmx:load", ({ detail }) => {
  enhance(detail.elt);
  drafts.restore(detail.elt);
});
enhance(document);
