// On the page that says that the plane is away: asks again until it is back, then shows what was wanted.

const words = document.querySelector("[data-retry]");
const started = Date.now();

async function again() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(8000) });
    if (answer.status !== 503) {
      location.reload();
      return;
    }
  } catch { /* the portal itself is away: ask again */ }
  if (words) words.textContent = `Trying again; ${Math.round((Date.now() - started) / 1000)} s so far.`;
  setTimeout(again, 2000);
}

setTimeout(again, 1500);
