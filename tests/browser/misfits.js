// What is wider than the screen, what one can press that lies on something else one can press, the
// buttons of a dialog that are out of sight, and columns that long names leave no room.
() => {
  const layer = document.querySelector("dialog[open]") ?? document.body;
  const elsewhere = ".visually-hidden, .skip-link, .listbox, .menu-items, .tabs, thead";
  const all = [...layer.querySelectorAll("*")].filter(
    (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(elsewhere),
  );
  const box = (element) => element.getBoundingClientRect();
  const name = ({ tagName, id, textContent }) => `${tagName} ${id || [...textContent.trim()].slice(0, 40).join("")}`;

  const buried = [...document.querySelectorAll("dialog[open] .form-actions .button")]
    .filter((button) => box(button).bottom > innerHeight || box(button).top < 0)
    .map((button) => `${name(button)} is out of sight`);
  layer.scrollTop = layer.scrollHeight; // or the buttons of a dialog lie on what scrolls below them

  // Where a table may scroll, it says so; elsewhere what is too wide is cut off unseen.
  const tables = [...layer.querySelectorAll(".table-card")].filter(
    (card) => getComputedStyle(card).overflowX === "clip",
  );
  const wide = [document.documentElement, layer, ...tables]
    .filter((element) => element.scrollWidth > element.clientWidth)
    .map(({ tagName }) => `${tagName} scrolls sideways`);

  const isCutByScroller = (element) => {
    for (let scroller = element.parentElement; scroller && scroller !== layer; scroller = scroller.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(scroller);
      if (/auto|scroll/.test(overflowX + overflowY)) return true;
    }
    return false;
  };

  const outside = all
    .filter((element) => box(element).width > 1 && !isCutByScroller(element))
    .filter((element) => box(element).right > innerWidth + 1 || box(element).left < -1)
    .map((element) => `${name(element)} is cut off`);

  // Bars that stick float over the rest.
  const bar = (element) => element.closest(".bulk-bar, dialog .form-actions");

  const apart = (a, b) =>
    a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
  const together = (a, b) =>
    bar(a) !== bar(b) || a.contains(b) || b.contains(a) || a.closest(".reveal, .combobox")?.contains(b);
  const touch = (a, b) =>
    [...a.getClientRects()].some((one) => [...b.getClientRects()].some((other) => !apart(one, other)));
  const pressed = all.filter(
    (element) =>
      element.matches("a, button, input:not([type=hidden]), select, textarea, summary") &&
      !isCutByScroller(element),
  );
  const overlaps = pressed.flatMap((a, index) =>
    pressed
      .slice(index + 1)
      .filter((b) => !together(a, b) && touch(a, b))
      .map((b) => `${name(a)} lies on ${name(b)}`),
  );

  const collapsed = [...layer.querySelectorAll("td")]
    .filter((cell) => cell.checkVisibility() && cell.textContent.trim().length > 20)
    .filter((cell) => box(cell).width < 64)
    .map((cell) => `${name(cell)} has no room`);

  const broken = [...layer.querySelectorAll("code.unbroken")]
    .filter((hint) => hint.getClientRects().length > 1)
    .map((hint) => `${name(hint)} is broken`);

  return [...wide, ...outside, ...overlaps, ...collapsed, ...broken, ...buried];
};
