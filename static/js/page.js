// What every page has: tabs, menus, the theme button, copy buttons.

export function installPage() {
  scrollToCurrentTab();
  highlightCreatedRow();
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-copy]");
    if (button) copy(button);
    if (target.closest("[data-theme-toggle]")) toggleTheme();
    for (const menu of openMenus()) {
      if (!menu.contains(target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    for (const menu of openMenus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}

// These buttons need scripts, so they are hidden in the HTML.
export function showButtons(root) {
  for (const button of root.querySelectorAll("[data-reveal], [data-theme-toggle], [data-copy]")) {
    button.hidden = false;
  }
}

const openMenus = () => document.querySelectorAll("details.menu[open]");

// A phone does not show all tabs at once.
function scrollToCurrentTab() {
  const tabs = document.querySelector(".tabs");
  const current = tabs?.querySelector("[aria-current]");
  if (current) tabs.scrollLeft = current.offsetLeft - (tabs.clientWidth - current.offsetWidth) / 2;
}

function highlightCreatedRow() {
  for (const { dataset } of document.querySelectorAll("[data-made]")) {
    const link = document.querySelector(`td.name a[href="${dataset.made}"]`);
    link?.closest("tr").classList.add("is-new");
  }
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  let isCopied = true;
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    getSelection().selectAllChildren(source); // without HTTPS there is no clipboard API
    isCopied = document.execCommand("copy");
  }
  const status = button.parentElement.querySelector("[role=status]");
  status.textContent = isCopied ? "Copied" : "Not copied. Select the text and copy it.";
}

function toggleTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
}
