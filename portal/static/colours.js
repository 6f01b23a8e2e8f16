// What has which colour in a policy document.

// Colours: one pattern finds where something begins; what lies between is left as it is.
const TOKEN = /@[({]|["']|<!--[\s\S]*?(?:-->|$)|<\/?[\w.:-]+|\/?>|[\w.:-]+(?==["'])|\{\{[\w.-]+\}\}/g;

/** Where an expression that begins at `start` ends: its brackets, but for those in texts and comments. */
function expressionEnd(text, start) {
  const close = text[start + 1] === "(" ? ")" : "}";
  const open = text[start + 1];
  let depth = 0;
  for (let at = start + 1; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === '"') {
      const verbatim = text[at - 1] === "@" || text.slice(at - 2, at) === "@$";
      for (at += 1; at < text.length; at += 1) {
        if (!verbatim && text[at] === "\\") at += 1;
        else if (text[at] === '"' && verbatim && text[at + 1] === '"') at += 1;
        else if (text[at] === '"' || (text[at] === "\n" && !verbatim)) break;
      }
    } else if (letter === "/" && text[at + 1] === "/") {
      while (at < text.length && text[at] !== "\n") at += 1;
    } else if (letter === open) depth += 1;
    else if (letter === close && (depth -= 1) === 0) return at + 1;
  }
  return -1;
}

/** [start, end, kind] of all that has a colour, in order. */
export function pieces(text) {
  const found = [];
  let tag = false; // between < and >
  for (let at = 0; ;) {
    TOKEN.lastIndex = at;
    const hit = TOKEN.exec(text);
    if (!hit) return found;
    const start = hit.index;
    const word = hit[0];
    at = start + word.length;
    if (word[0] === "@") {
      const end = expressionEnd(text, start);
      if (end > 0) { found.push([start, end, "code"]); at = end; }
    } else if (word === '"' || word === "'") {
      if (tag) at = value(text, start, found);
    } else if (word.startsWith("<!--")) found.push([start, at, "note"]);
    else if (word[0] === "<") {
      const edge = start + (word[1] === "/" ? 2 : 1);
      found.push([start, edge, "edge"], [edge, at, "tag"]);
      tag = true;
    } else if (word.endsWith(">")) {
      if (tag) found.push([start, at, "edge"]);
      tag = false;
    } else if (word[0] === "{") found.push([start, at, "named"]);
    else if (tag) found.push([start, at, "name"]);
  }
}

/** An attribute's value with the expressions in it; answers where it ends. */
function value(text, start, found) {
  let from = start;
  let at = start + 1;
  for (; at < text.length && text[at] !== text[start] && text[at] !== "<"; at += 1) {
    const after = text[at] === "@" && (text[at + 1] === "(" || text[at + 1] === "{") ? expressionEnd(text, at) : -1;
    if (after > 0) {
      found.push([from, at, "value"], [at, after, "code"]);
      from = after;
      at = after - 1;
    }
  }
  at = text[at] === text[start] ? at + 1 : at;
  found.push([from, at, "value"]);
  return at;
}
