export function element(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

// Where a message must be to be seen and announced: an open dialog hides the rest of the page.
export function foreground(dialog) {
  return dialog.open ? dialog : document.body;
}
