"use strict";
// Keeps the page as the server would render it now. Without this script it is as true, and stands still.
const EVERY = 3000, PATIENCE = 10000, $ = (id) => document.getElementById(id);
let tag = "", skew = 0, seen = Date.now(), timer = 0, asking = false;

const clock = (ms) => new Date(ms).toLocaleTimeString();

function ago(seconds) {
  const [n, unit] = seconds < 60 ? [seconds, "s"] : seconds < 5400 ? [seconds / 60, "min"]
    : seconds < 129600 ? [seconds / 3600, "h"] : [seconds / 86400, "d"];
  return Math.abs(seconds) < 5 ? "just now" : seconds < 0 ? "in " + ago(-seconds).replace(" ago", "")
    : Math.round(n) + " " + unit + " ago";
}

function times() {
  for (const one of document.querySelectorAll("main time, header time, footer time")) {
    const at = Date.parse(one.dateTime);
    if (isNaN(at)) continue;
    const told = ago((Date.now() + skew - at) / 1000);
    if (one.textContent !== told) one.textContent = told;
    one.title = new Date(at).toLocaleString();
  }
}

// Changes only what differs, so that focus, selection, what is unfolded and what was read aloud stay as they are.
function morph(old, now) {
  if (old.nodeName !== now.nodeName) return old.replaceWith(now);
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== now.nodeValue) old.nodeValue = now.nodeValue;
    return;
  }
  if (old.nodeName === "TIME" && old.dateTime === now.dateTime) return;
  for (const { name } of [...old.attributes]) if (name !== "open" && !now.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const before = [...old.childNodes], after = [...now.childNodes];
  after.forEach((child, i) => (before[i] ? morph(before[i], child) : old.append(child)));
  before.slice(after.length).forEach((child) => child.remove());
}

function lost(why) {
  const text = why ? why + " Shown is what was seen at " + clock(seen) + "." : "";
  if ($("lost").textContent !== text) $("lost").textContent = text;
}

async function ask() {
  if (asking) return;
  asking = true;
  try {
    const answer = await fetch(location.origin + location.pathname, { cache: "no-cache", signal: AbortSignal.timeout(PATIENCE) });
    if (answer.status === 401) return lost("The token is another one now: load the page anew.");
    if (!answer.ok) return lost("edged answers with error " + answer.status + ".");
    const date = Date.parse(answer.headers.get("Date"));
    if (!isNaN(date)) skew = date - Date.now();
    if (answer.headers.get("ETag") !== tag) {
      const now = new DOMParser().parseFromString(await answer.text(), "text/html");
      tag = answer.headers.get("ETag");
      document.title = now.title;
      for (const id of ["head", "main", "foot"]) morph($(id), now.getElementById(id));
    }
    seen = Date.now();
    lost("");
  } catch {
    lost("edged does not answer.");
  } finally {
    asking = false;
    times();
  }
}

async function next() {
  clearTimeout(timer);
  if (!document.hidden) await ask();
  timer = setTimeout(next, EVERY);
}

$("live").textContent = "Live: looks again every " + EVERY / 1000 + " s.";
document.addEventListener("visibilitychange", () => document.hidden || next());
times();
timer = setTimeout(next, EVERY);
