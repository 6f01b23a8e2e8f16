// What all pages of the console share: copying, dropping files, asking before what cannot be undone, and how a change
// reaches the gateways. Everything works without it, by forms.

import { follow } from "./follow.js";
import { watchTables } from "./tables.js";
import { toast } from "./toast.js";

watchTables();

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    toast("Copied.");
  });
}

for (const zone of document.querySelectorAll("[data-drop]")) {
  const input = zone.querySelector("input[type=file]");
  const words = zone.querySelector("label span");
  const take = () => {
    const file = input.files[0];
    if (!file) return;
    words.textContent = `${file.name}, ${Math.ceil(file.size / 1024)} KiB`;
    if (zone.tagName === "FORM") zone.requestSubmit();
  };
  input.addEventListener("change", take);
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  zone.addEventListener("dragleave", (event) => {
    if (!zone.contains(event.relatedTarget)) zone.classList.remove("over");
  });
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    take();
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-sure]");
  if (button && !window.confirm(button.dataset.sure)) event.preventDefault();
}, true);

for (const place of document.querySelectorAll(".reach[data-revision]")) {
  follow(Number(place.dataset.revision), (holding, sidecars, done) => {
    place.textContent = sidecars
      ? `${done ? "Live" : "On its way: live"} on ${holding} of ${sidecars} ${sidecars === 1 ? "sidecar" : "sidecars"}.`
      : "No sidecar is connected, so nobody serves it yet.";
  });
}
