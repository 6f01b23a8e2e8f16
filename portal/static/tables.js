// What scrolls sideways must be reached by the keyboard, and only then.
const wide = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
export function watchTables(root = document) {
  for (const table of root.querySelectorAll("table, pre:not([aria-hidden]), .around")) wide.observe(table);
}
