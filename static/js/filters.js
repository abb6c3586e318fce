// Leaves empty filters out of the request, so that the URL of a filtered list is short.

export function installFilters() {
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (!detail.elt.matches?.("form[role=search]")) return;
    for (const [name, value] of [...detail.formData]) {
      if (value === "") detail.formData.delete(name);
    }
  });
}
