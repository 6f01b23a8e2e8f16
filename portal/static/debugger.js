// The debugger's form: the choice of an API or operation loads its fields, and the line beside the button shows what will
// be sent while the parameters are filled in.

const choose = document.querySelector("[data-choose]");
choose?.querySelector("select").addEventListener("change", () => choose.requestSubmit());
const offered = new Set([...document.querySelectorAll("#apis option")].map((each) => each.value));
const field = choose?.querySelector("#api");
field?.addEventListener("input", () => {
  if (offered.has(field.value) && field.value !== field.defaultValue) {
    choose.querySelector("select").disabled = true;
    choose.requestSubmit();
  }
});
field?.addEventListener("change", () => {
  if (field.value !== field.defaultValue) {
    choose.querySelector("select").disabled = true;
    choose.requestSubmit();
  }
});

const form = document.querySelector("[data-send]");
if (form) {
  const preview = form.querySelector(".preview");
  const draw = () => {
    let path = form.elements.path.value;
    const more = [];
    for (const input of form.querySelectorAll("[data-name]")) {
      const { name, place } = input.dataset;
      const holes = [`{${name}}`, `{*${name}}`];
      if (holes.some((hole) => form.elements.path.value.includes(hole))) {
        path = path.replace(holes[0], encodeURIComponent(input.value)).replace(holes[1], encodeURI(input.value));
      } else if (place === "query" && input.value) {
        more.push(`${encodeURIComponent(name)}=${encodeURIComponent(input.value)}`);
      }
    }
    if (more.length) path += (path.includes("?") ? "&" : "?") + more.join("&");
    preview.textContent = `${form.elements.method.value} ${path}`;
  };
  form.addEventListener("input", draw);
  draw();
  form.addEventListener("submit", () => {
    const button = form.querySelector("button");
    button.textContent = "Sending…";
    setTimeout(() => { button.disabled = true; });
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}
window.addEventListener("pageshow", () => {
  const button = form?.querySelector("button");
  if (button) { button.disabled = false; button.textContent = "Send"; }
});
