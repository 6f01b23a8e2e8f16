// What pages do better with a script: copying, and putting one's own key into a sample. Without it they lack nothing else.
for (const button of document.querySelectorAll("button.copy")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    const words = button.innerHTML;
    button.textContent = "Copied";
    setTimeout(() => { button.innerHTML = words; }, 1500);
  });
}

const own = document.querySelector(".own-key[data-key]");
if (own) {
  own.hidden = false;
  const sample = document.getElementById("sample");
  const original = sample.textContent;
  own.querySelector("#put-key").addEventListener("click", async () => {
    const said = own.querySelector("[role=status]");
    const id = own.querySelector("select").value;
    const answer = await fetch(`/profile/subscriptions/${encodeURIComponent(id)}/keys`, {
      method: "POST",
      headers: { Accept: "application/json", "X-Csrf-Token": own.dataset.csrf },
    }).catch(() => null);
    if (!answer || !answer.ok) {
      said.textContent = "The key could not be fetched. Load the page again.";
      return;
    }
    sample.textContent = original.replaceAll(own.dataset.key, (await answer.json()).primaryKey);
    said.textContent = "Your key is in the sample.";
  });
}
