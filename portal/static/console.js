// What all pages of the console share: copying, dropping files, asking before what cannot be undone, and how a change
// reaches the gateways. Everything works without it, by forms.

/** Say something for a moment. */
export function toast(words) {
  const note = document.createElement("p");
  note.className = "toast";
  note.setAttribute("role", "status");
  note.textContent = words;
  document.body.append(note);
  setTimeout(() => note.remove(), 3500);
}

/** Follow a revision to the sidecars: `tell(holding, sidecars, done)` until all hold it, or it takes too long. */
export async function follow(revision, tell) {
  const until = Date.now() + 90_000;
  while (Date.now() < until) {
    try {
      const answer = await fetch(`/console/live?revision=${revision}`, { headers: { Accept: "application/json" } });
      if (answer.ok) {
        const { holding, sidecars } = await answer.json();
        const done = sidecars > 0 && holding >= sidecars;
        tell(holding, sidecars, done);
        if (done) return;
      }
    } catch { /* away for a moment: ask again */ }
    await new Promise((next) => setTimeout(next, 1500));
  }
}

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
