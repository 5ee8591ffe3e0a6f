/**
 * The script of the status page: reads status.json and shows it. Builders and clients choose some of the texts, so the script sets
 * text only (textContent) and never HTML; the page's policy forbids the other way too.
 */
export const PAGE_SCRIPT = `
"use strict";
const REFRESH_MS = 5000;
const STALE_MS = 15000;
let data;
let receivedMs = 0;
let problem = "";

const byId = (id) => document.getElementById(id);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = String(text);
  return made;
}

function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return s + " s";
  const min = Math.floor(s / 60);
  if (min < 60) return min + " min";
  const h = Math.floor(min / 60);
  if (h < 24) return h + " h " + String(min % 60).padStart(2, "0") + " min";
  return Math.floor(h / 24) + " d " + (h % 24) + " h";
}

const since = (ms) => duration(data.nowMs - ms);

function cell(label, text, className, title) {
  const made = element("td", className, text);
  made.dataset.label = label;
  made.setAttribute("role", "cell");
  if (title) made.title = title;
  return made;
}

const count = (label, value) => cell(label, value, value === 0 ? "number zero" : "number");
const shortId = (label, id) => cell(label, id.slice(0, 8), "code", id);

function rowHead(label, text) {
  const made = element("th", "", text);
  made.scope = "row";
  made.dataset.label = label;
  made.setAttribute("role", "rowheader");
  return made;
}

function bar(pool) {
  const parts = [["leased", pool.leased], ["ready", pool.ready], ["booting", pool.booting], ["ending", pool.destroying], ["held", pool.held]];
  const holder = cell("Use", undefined, "wide");
  const made = element("div", "bar");
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", parts.map(([name, n]) => n + " " + name).join(", ") + ", at most " + pool.max);
  let used = 0;
  for (const [name, n] of parts) {
    used += n;
    if (n === 0) continue;
    const part = element("i", name);
    part.style.flexGrow = String(n);
    made.append(part);
  }
  const free = element("i");
  free.style.flexGrow = String(Math.max(0, pool.max - used));
  made.append(free);
  const use = element("div", "use");
  use.append(made);
  if (pool.reason !== "") use.append(element("div", "soft", pool.reason));
  holder.append(use);
  return holder;
}

function fill(id, rows, columns, none) {
  const body = byId(id);
  const lines = rows.map((cells) => {
    const row = element("tr");
    row.setAttribute("role", "row");
    row.append(...cells);
    return row;
  });
  if (lines.length === 0) {
    const row = element("tr");
    const empty = element("td", "empty", none);
    empty.colSpan = columns;
    row.append(empty);
    lines.push(row);
  }
  body.replaceChildren(...lines);
}

const ofAll = (part) => part.total > part.builds.length ? part.total + ", the first " + part.builds.length : part.total;

function show() {
  byId("site").textContent = data.installation;
  byId("version").textContent = data.version;
  document.title = data.running.total + " running, " + data.waiting.total + " waiting · container-builder";
  fill("pools", data.pools.map((p) => [
    rowHead("Pool", p.name), cell("Arch", p.arch, "short"), bar(p),
    count("Leased", p.leased), cell("Ready / target", p.ready + " / " + p.reserveTarget, "number"),
    count("Booting", p.booting), count("Ending", p.destroying), count("Held", p.held), count("Max", p.max), count("Failed", p.failed),
  ]), 10, "The queue has not read its pools yet.");
  byId("running-total").textContent = ofAll(data.running);
  fill("running", data.running.builds.map((b) => [
    rowHead("User", b.user), shortId("Build", b.id), cell("Image", b.name, "long"), cell("Pool", b.pool, "short"),
    cell("Builder", b.host, "long"), count("Attempt", b.attempt), cell("Running for", since(b.sinceMs), "number"),
  ]), 7, "No build is running.");
  byId("waiting-total").textContent = ofAll(data.waiting);
  fill("waiting", data.waiting.builds.map((b) => [
    cell("Position", b.position, "number"), rowHead("User", b.user), shortId("Build", b.id), cell("Image", b.name, "long"),
    cell("Pool", b.pool, "short"), cell("Waiting for", since(b.sinceMs), "number"), cell("", b.reason, "long"),
  ]), 7, "No build is waiting.");
  fill("failures", data.failures.map((f) => [
    cell("When", since(f.atMs) + " ago", "number"), cell("Failed", f.kind, "short"), shortId("Id", f.id),
    cell("User", f.user, "short"), cell("Pool", f.pool, "short"), cell("", f.reason, "long"),
  ]), 6, "None since the queue started.");
}

function note(word, text) {
  const made = element("li");
  made.append(element("b", "", word + ": "), text);
  return made;
}

function showState() {
  const ageMs = performance.now() - receivedMs;
  const stale = problem !== "" && ageMs > STALE_MS || data === undefined && problem !== "";
  const notReady = data ? data.notReady : [];
  const word = problem !== "" ? "No answer" : data === undefined ? "Loading" : notReady.length > 0 ? "Not ready" : "Ready";
  const state = byId("state");
  if (state.textContent !== word) state.textContent = word;
  state.className = word === "Ready" || word === "Loading" ? "" : "bad";
  const age = byId("age");
  age.textContent = data === undefined ? "" : "as of " + duration(ageMs) + " ago";
  age.className = stale ? "bad" : "";
  const notes = [
    ...(problem === "" ? [] : [note("No answer", problem)]),
    ...notReady.map((text) => note("Not ready", text)),
    ...(data ? data.warnings : []).map((text) => note("Warning", text)),
  ];
  const list = byId("notes");
  if (list.textContent !== notes.map((one) => one.textContent).join("")) list.replaceChildren(...notes);
}

async function load() {
  try {
    const reply = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(REFRESH_MS - 500) });
    if (!reply.ok) throw new Error("status " + reply.status);
    data = await reply.json();
    receivedMs = performance.now();
    problem = "";
    // A text that the reader has selected, to copy it, stays until the next time.
    if (getSelection().isCollapsed) show();
  } catch (error) {
    problem = "cb-queue cannot be reached (" + error.message + "). The tables show its last reply.";
  }
  showState();
}

async function follow() {
  for (;;) {
    if (!document.hidden) await load();
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, REFRESH_MS);
      document.addEventListener("visibilitychange", () => { clearTimeout(timer); resolve(); }, { once: true });
    });
  }
}

setInterval(showState, 1000);
follow();
`;
