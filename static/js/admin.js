// Accessible names that Django's own widgets lack.

// The help icons above a box of choices have a name, but no role that allows one.
const nameIcons = () => {
  for (const icon of document.querySelectorAll(".help-tooltip[aria-label]"))
    icon.setAttribute("role", "img");
};

// A searchable list is named only by its chosen value, so an empty one has no name.
const nameLists = () => {
  for (const chosen of document.querySelectorAll(".select2-selection__rendered[id]")) {
    const field = chosen.id.replace(/^select2-(.*)-container$/, "$1");
    const label = document.querySelector(`label[for="${CSS.escape(field)}"]`);
    if (!label) continue;
    label.id ||= `${field}-label`;
    chosen.setAttribute("aria-labelledby", label.id);
    const list = chosen.closest("[role='combobox']");
    list?.setAttribute("aria-labelledby", `${label.id} ${chosen.id}`);
    if (list?.hasAttribute("aria-owns"))
      list.setAttribute("aria-controls", list.getAttribute("aria-owns"));
  }
  for (const search of document.querySelectorAll(".select2-search__field"))
    search.setAttribute("aria-label", "Search");
};

const nameAll = () => {
  nameIcons();
  nameLists();
};

nameAll();
new MutationObserver(nameAll).observe(document.body, { childList: true, subtree: true });
