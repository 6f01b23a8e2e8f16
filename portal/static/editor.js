// The policy editor on top of a plain form: colours, line numbers, findings as one types, snippets, and a draft that
// outlives a reload, a lost session and a plane that is away. Without it the form does the same by being submitted.

import { pieces } from "./colours.js";
import { follow } from "./follow.js";
import { toast } from "./toast.js";

const WAIT = 450; // milliseconds without a key before a check
const RETRY = 2500;
const form = document.getElementById("editor");
const area = document.getElementById("text");
const work = form.querySelector(".work");
const paint = form.querySelector(".paint");
const gutter = form.querySelector(".gutter");
const list = document.getElementById("findings");
const state = document.getElementById("state");
const words = document.getElementById("words");
const conflict = document.getElementById("conflict");
const scope = form.dataset.scope;
const DRAFT = `draft:${scope}`;
let saved = area.value; // what the plane has, or the empty beginning
let findings = [...list.children].map((each) => {
  const link = each.querySelector("a");
  return {
    line: Number(link.dataset.line), column: Number(link.dataset.column), severity: each.className,
    fragment: link.textContent.startsWith("fragment"), message: each.textContent,
  };
});

/** The word that a finding is about. */
function marked(text, starts) {
  return findings.filter((each) => !each.fragment && each.line <= starts.length).map((each) => {
    const from = Math.min(starts[each.line - 1] + each.column - 1, text.length);
    const word = /^(?:[\w.:-]+|[^\s]+)/.exec(text.slice(from, from + 200));
    return [from, from + Math.max(1, word ? word[0].length : 1), each.severity];
  }).sort((one, other) => one[0] - other[0]);
}

function draw() {
  const text = area.value;
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  const fragment = document.createDocumentFragment();
  const marks = marked(text, starts);
  const put = (from, to, kind) => {
    // cut where a finding begins or ends
    for (let at = from; at < to;) {
      const mark = marks.find(([start, end]) => start < to && end > at);
      const end = !mark ? to : mark[0] > at ? mark[0] : Math.min(mark[1], to);
      const name = [kind && `t-${kind}`, mark && mark[0] <= at && `t-${mark[2]}`].filter(Boolean).join(" ");
      const piece = text.slice(at, end);
      if (name) {
        const span = document.createElement("span");
        span.className = name;
        span.textContent = piece;
        fragment.append(span);
      } else fragment.append(piece);
      at = end;
    }
  };
  let at = 0;
  for (const [from, to, kind] of text.length > 120_000 ? [] : pieces(text)) {
    if (from > at) put(at, from, "");
    if (to > Math.max(at, from)) put(Math.max(at, from), to, kind);
    at = Math.max(at, to);
  }
  put(at, text.length, "");
  fragment.append("\n");
  paint.replaceChildren(fragment);
  number(starts.length);
  scroll();
}

function number(count) {
  const byLine = new Map();
  for (const each of findings) {
    if (!each.fragment && byLine.get(each.line)?.severity !== "error") byLine.set(each.line, each);
  }
  while (gutter.children.length > count) gutter.lastChild.remove();
  for (let line = 1; line <= count; line += 1) {
    const row = gutter.children[line - 1] ?? gutter.appendChild(document.createElement("div"));
    const finding = byLine.get(line);
    if (row.textContent !== String(line)) row.textContent = line;
    row.className = finding?.severity ?? "";
    row.title = finding?.message ?? "";
  }
}

function scroll() {
  paint.scrollTop = area.scrollTop;
  paint.scrollLeft = area.scrollLeft;
  gutter.scrollTop = area.scrollTop;
}

function go(line, column = 1) {
  const lines = area.value.split("\n");
  const from = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0) + column - 1;
  area.focus();
  area.setSelectionRange(from, from);
  const height = parseFloat(getComputedStyle(area).lineHeight);
  area.scrollTop = Math.max(0, (line - 6) * height);
  const place = area.getBoundingClientRect();
  if (place.top < 0 || place.top > innerHeight * 0.7) area.scrollIntoView({ block: "center" });
  scroll();
}

// Findings.

function show(issues) {
  findings = issues;
  list.replaceChildren(...issues.map((each) => {
    const item = document.createElement("li");
    item.className = each.severity;
    const link = document.createElement("a");
    link.href = `#L${each.line}`;
    link.dataset.line = each.line;
    link.dataset.column = each.column;
    link.textContent = `${each.fragment ? `fragment ${each.fragment}, ` : ""}line ${each.line}, column ${each.column}`;
    item.append(link, " ");
    if (each.element) {
      const code = document.createElement("code");
      code.textContent = `<${each.element}>`;
      item.append(code, " ");
    }
    item.append(each.message);
    return item;
  }));
  document.getElementById("count").textContent = issues.length;
  draw();
}

function say(text, kind = "") {
  words.hidden = !text;
  words.textContent = text;
  words.className = `notice inside ${kind}`;
}

function summary(issues) {
  const errors = issues.filter((each) => each.severity === "error").length;
  const warnings = issues.length - errors;
  const told = [errors && `${errors} ${errors === 1 ? "error" : "errors"}`, warnings && `${warnings} ${warnings === 1 ? "warning" : "warnings"}`];
  return issues.length ? `${told.filter(Boolean).join(", ")}.` : "It is sound.";
}

// Talking with the portal.

async function send(what) {
  const data = new FormData(form);
  data.set("do", what);
  const answer = await fetch(form.action, {
    method: "POST", body: data, headers: { Accept: "application/json", "X-Csrf-Token": form.elements.csrf.value },
    signal: AbortSignal.timeout(30_000),
  });
  if (!answer.headers.get("Content-Type")?.includes("json")) throw new Error(String(answer.status));
  return { status: answer.status, ...(await answer.json()) };
}

let waiting = 0;
let asked = 0;

function later(wait = WAIT) {
  clearTimeout(waiting);
  waiting = setTimeout(check, wait);
}

async function check() {
  const mine = (asked += 1);
  try {
    const answer = await send("check");
    if (mine !== asked) return; // something else was typed meanwhile
    if (answer.status === 401) {
      say(answer.error, "bad");
      later(RETRY * 2);
      return;
    }
    if (answer.status === 503) throw new Error("away");
    if (!words.hidden && words.dataset.away) { say(""); delete words.dataset.away; }
    show(answer.issues);
    state.textContent = summary(answer.issues) + unsaved();
  } catch {
    if (mine !== asked) return;
    words.dataset.away = "yes";
    say("The management plane is away. Go on writing: nothing is lost, and it is checked again as soon as the plane is back.", "info");
    later(RETRY);
  }
}

function unsaved() {
  return area.value === saved ? "" : " Not saved yet.";
}

async function save() {
  clearTimeout(waiting);
  asked += 1; // an answer to a check that is under way is too late
  state.textContent = "Saving…";
  const sent = area.value;
  try {
    const answer = await send("save");
    if (answer.status === 503) throw new Error("away");
    if (answer.saved) {
      saved = sent;
      form.elements.tag.value = answer.tag;
      conflict.replaceChildren();
      keep();
      say(`Saved as revision ${answer.revision}. On its way to the gateways.`, "good");
      state.textContent = unsaved() || "Saved.";
      follow(answer.revision, (holding, sidecars, done) => {
        if (!words.classList.contains("good")) return;
        say(sidecars ? `Saved as revision ${answer.revision}. ${done ? "Live" : "On its way: live"} on ${holding} of ${sidecars} ${sidecars === 1 ? "sidecar" : "sidecars"}.` : `Saved as revision ${answer.revision}. No sidecar is connected.`, "good");
      });
      return;
    }
    if (answer.diff !== undefined) {
      // the portal's own template, escaped there
      const page = new DOMParser().parseFromString(answer.diff, "text/html");
      conflict.replaceChildren(...page.body.childNodes);
      form.elements.tag.value = answer.tag;
      say(answer.words, "bad");
      state.textContent = "Saving now overwrites theirs.";
      words.scrollIntoView({ block: "nearest" });
      return;
    }
    if (answer.status === 401) { say(answer.error, "bad"); state.textContent = "Not saved yet."; return; }
    if (answer.issues) show(answer.issues);
    const first = findings.find((each) => each.severity === "error");
    say(answer.words || "Not saved: the document has errors. What was in force stays in force.", "bad");
    state.textContent = summary(findings) + unsaved();
    if (first && !first.fragment) go(first.line, first.column);
  } catch {
    words.dataset.away = "yes";
    say("The management plane is away, so nothing was saved. Your text is kept here: save again in a moment.", "bad");
    state.textContent = "Not saved yet.";
    later(RETRY);
  }
}

// The draft: in this tab only, since a policy may hold what others should not read.

function keep() {
  try {
    if (area.value === saved) sessionStorage.removeItem(DRAFT);
    else sessionStorage.setItem(DRAFT, JSON.stringify({ text: area.value, tag: form.elements.tag.value, from: saved }));
  } catch { /* no room: the form still has it */ }
}

function restore() {
  let draft;
  try { draft = JSON.parse(sessionStorage.getItem(DRAFT) ?? "null"); } catch { return; }
  if (!draft || draft.text === area.value) return;
  const other = draft.tag !== form.elements.tag.value;
  area.value = draft.text;
  form.elements.tag.value = draft.tag; // if somebody saved meanwhile, saving says so
  say(`This is your draft, which is not saved yet${other ? "; meanwhile the document was changed, saving shows how" : ""}. `, "info");
  const drop = document.createElement("button");
  drop.type = "button";
  drop.className = "quiet";
  drop.textContent = "Drop it";
  drop.addEventListener("click", () => { sessionStorage.removeItem(DRAFT); area.value = saved; location.reload(); });
  words.append(drop);
  later(0);
}

// Keys and snippets.

function insert(text) {
  area.focus();
  // keeps the browser's own undo
  if (!document.execCommand("insertText", false, text)) {
    area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input"));
  }
}

function indentation() {
  const start = area.value.lastIndexOf("\n", area.selectionStart - 1) + 1;
  return /^[ \t]*/.exec(area.value.slice(start, area.selectionStart))[0];
}

function snippet(text) {
  let indent = indentation();
  const start = area.value.lastIndexOf("\n", area.selectionStart - 1) + 1;
  const before = area.value.slice(start, area.selectionStart);
  if (area.selectionStart === 0 && area.selectionEnd === 0) {
    // nobody has chosen a place: behind <base /> of the first section
    const base = /<base\s*\/>[ \t]*\n?/.exec(area.value) ?? /<(?:inbound|fragment)>[ \t]*\n?/.exec(area.value);
    if (base) {
      const line = area.value.lastIndexOf("\n", base.index - 1) + 1;
      indent = area.value.slice(line, base.index) + (base[0].startsWith("<base") ? "" : "    ");
      const at = base.index + base[0].length;
      area.setSelectionRange(at, at);
      const lead = base[0].endsWith("\n") ? "" : "\n";
      insert(`${lead}${indent}${text.replaceAll("\n", `\n${indent}`)}\n`);
      return;
    }
  }
  const fresh = before.trim() === "";
  insert(`${fresh ? "" : `\n${indent}`}${text.replaceAll("\n", `\n${indent}`)}`);
}

let leaving = false;
area.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { leaving = true; return; }
  if (event.key === "Tab" && !leaving && !event.ctrlKey && !event.altKey && !event.metaKey) {
    event.preventDefault();
    const { selectionStart: from, selectionEnd: to } = area;
    if (from === to && !event.shiftKey) { insert("    "); return; }
    const start = area.value.lastIndexOf("\n", from - 1) + 1;
    const block = area.value.slice(start, to);
    const made = event.shiftKey ? block.replace(/^(?: {1,4}|\t)/gm, "") : block.replace(/^(?=.)/gm, "    ");
    area.setSelectionRange(start, to);
    insert(made);
    area.setSelectionRange(start, start + made.length);
  } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    const indent = indentation();
    if (indent) { event.preventDefault(); insert(`\n${indent}`); }
  } else if (event.key !== "Shift") leaving = false;
});
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "s") { event.preventDefault(); save(); }
  if (event.key === "F8" && findings.length) {
    event.preventDefault();
    const line = area.value.slice(0, area.selectionStart).split("\n").length;
    const own = findings.filter((each) => !each.fragment);
    const next = own.find((each) => each.line > line) ?? own[0];
    if (next) go(next.line, next.column);
  }
});
let drawing = 0;
area.addEventListener("input", () => {
  findings = []; // their places are of another text
  // once for a frame: some insertions tell of each of thousands of lines
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    draw();
    keep();
    state.textContent = `Checking…${unsaved()}`;
  });
  asked += 1;
  later();
});
area.addEventListener("scroll", scroll);
gutter.addEventListener("click", (event) => {
  const line = [...gutter.children].indexOf(event.target) + 1;
  const finding = findings.find((each) => each.line === line);
  if (line) go(line, finding?.column ?? 1);
});
list.addEventListener("click", (event) => {
  const link = event.target.closest("[data-line]");
  if (!link) return;
  event.preventDefault();
  if (link.textContent.startsWith("fragment")) toast("It stands in the fragment, not here.");
  else go(Number(link.dataset.line), Number(link.dataset.column));
});
form.addEventListener("submit", (event) => {
  const what = event.submitter?.value ?? "save";
  if (what === "save") { event.preventDefault(); save(); }
  else if (what === "check") { event.preventDefault(); check(); }
  else { sessionStorage.removeItem(DRAFT); leave = true; }
});
let leave = false;
window.addEventListener("beforeunload", (event) => {
  if (!leave) keep();
  if (!leave && area.value !== saved) event.preventDefault();
});
for (const button of form.querySelectorAll(".snippet")) button.addEventListener("click", () => snippet(button.dataset.text));
form.querySelector("#find").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase().trim();
  for (const group of form.querySelectorAll(".snippets details")) {
    let some = false;
    for (const item of group.querySelectorAll("li")) {
      item.hidden = wanted !== "" && !item.dataset.name.includes(wanted);
      some ||= !item.hidden;
    }
    group.hidden = !some;
    if (wanted) group.open = some;
  }
});
form.querySelector("#find").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  form.querySelector(".snippets li:not([hidden]) .snippet")?.click();
});

work.classList.add("on");
new ResizeObserver(() => { gutter.style.height = `${area.offsetHeight}px`; scroll(); }).observe(area);
restore();
draw();
const wanted = /^#L(\d+)$/.exec(location.hash);
if (wanted) go(Number(wanted[1]));
window.addEventListener("hashchange", () => {
  const line = /^#L(\d+)$/.exec(location.hash);
  if (line) go(Number(line[1]));
});
