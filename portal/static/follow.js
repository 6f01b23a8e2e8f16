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
