// What is wider than the screen, and what one can press that lies on something else one can press.
() => {
  const layer = document.querySelector("dialog[open]") ?? document.body;
  const elsewhere = ".visually-hidden, .skip-link, .listbox, .menu-items, .tabs, thead";
  const all = [...layer.querySelectorAll("*")].filter(
    (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(elsewhere),
  );
  const box = (element) => element.getBoundingClientRect();
  const name = ({ tagName, id, textContent }) => `${tagName} ${id || textContent.trim().slice(0, 40)}`;

  const wide = [document.documentElement, layer]
    .filter((element) => element.scrollWidth > element.clientWidth)
    .map(({ tagName }) => `${tagName} scrolls sideways`);

  const outside = all
    .filter((element) => box(element).width > 1)
    .filter((element) => box(element).right > innerWidth + 1 || box(element).left < -1)
    .map((element) => `${name(element)} is cut off`);

  const apart = (a, b) =>
    a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
  const together = (a, b) =>
    a.contains(b) || b.contains(a) || a.closest(".reveal, .combobox")?.contains(b);
  const pressed = all.filter((element) =>
    element.matches("a, button, input:not([type=hidden]), select, textarea, summary"),
  );
  const overlaps = pressed.flatMap((a, index) =>
    pressed
      .slice(index + 1)
      .filter((b) => !together(a, b) && !apart(box(a), box(b)))
      .map((b) => `${name(a)} lies on ${name(b)}`),
  );

  return [...wide, ...outside, ...overlaps];
};
