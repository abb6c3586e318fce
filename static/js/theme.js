// Not a module, because it must run before the first paint: it hides what only pages without scripts
// need, and sets the chosen theme.
document.documentElement.classList.add("scripts");
const chosen = localStorage.getItem("theme");
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
