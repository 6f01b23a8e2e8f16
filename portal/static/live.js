// Keeps the parts of a page that are marked `data-live` up to date: the same page is asked for every few seconds and the
// parts are exchanged. What is open stays open, what has the focus keeps it; nothing is asked for while nobody looks.

import { watchTables } from "./tables.js";

const mark = document.querySelector(".live[data-every]");
const every = Number(mark?.dataset.every ?? 5) * 1000;
let since = Date.now();
let failures = 0;

function clock() {
  return `${new Date(since).toISOString().slice(11, 19)} UTC`; // as the page's other times
}

function exchange(now, then) {
  if (now.innerHTML === then.innerHTML) return;
  const focused = now.contains(document.activeElement) ? path(document.activeElement, now) : null;
  const open = [...now.querySelectorAll("details")].map((each) => each.open);
  now.replaceChildren(...then.childNodes);
  now.querySelectorAll("details").forEach((each, at) => { each.open = open[at] ?? each.open; });
  watchTables(now);
  if (focused) step(focused, now)?.focus({ preventScroll: true });
}

/** Where an element stands below another: the numbers of the children on the way. */
function path(element, root) {
  const steps = [];
  for (; element !== root; element = element.parentElement) steps.unshift([...element.parentElement.children].indexOf(element));
  return steps;
}

function step(steps, root) {
  return steps.reduce((element, at) => element?.children[at], root);
}

async function look() {
  if (document.hidden || window.getSelection()?.toString()) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(8000) });
    if (answer.redirected && new URL(answer.url).pathname.endsWith("/sign-in")) {
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const then = page.getElementById(part.id);
      if (then) exchange(part, then);
    }
    failures = 0;
    since = Date.now();
    say("live", "on");
  } catch {
    failures += 1;
    say(`The plane is away. You see what was known at ${clock()}; trying again.`, "away");
  }
}

function say(words, state) {
  if (!mark) return;
  mark.classList.toggle("on", state === "on");
  mark.classList.toggle("away", state === "away");
  if (mark.textContent !== words) mark.textContent = words;
}

say("live", "on");
setInterval(look, every);
document.addEventListener("visibilitychange", look);
