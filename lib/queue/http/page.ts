/** The status page: one HTML file that loads nothing but status.json, and its Content-Security-Policy. */
import { createHash } from "node:crypto";
import { PAGE_SCRIPT } from "./page-script.ts";
import { PAGE_STYLE } from "./page-style.ts";

const heads = (names: readonly string[], numbers: readonly string[]): string =>
  names
    .map((name) => `<th scope="col" role="columnheader"${numbers.includes(name) ? ' class="number"' : ""}>${name}</th>`)
    .join("");

/** The roles keep the meaning of a table where the narrow layout changes its display. */
const table = (id: string, label: string, names: readonly string[], numbers: readonly string[]): string =>
  `<table role="table" aria-label="${label}"><thead role="rowgroup"><tr role="row">${heads(names, numbers)}</tr></thead>
<tbody id="${id}" role="rowgroup"></tbody></table>`;

const POOLS = ["Pool", "Arch", "Use", "Leased", "Ready / target", "Booting", "Ending", "Held", "Max", "Failed"];
const POOL_NUMBERS = ["Leased", "Ready / target", "Booting", "Ending", "Held", "Max", "Failed"];
const RUNNING = ["User", "Build", "Image", "Pool", "Builder", "Attempt", "Running for"];
const WAITING = ["Position", "User", "Build", "Image", "Pool", "Waiting for", "Reason"];
const FAILURES = ["When", "Failed", "Id", "User", "Pool", "Reason"];

export const STATUS_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>container-builder</title>
<link rel="icon" href="data:,">
<style>${PAGE_STYLE}</style>
</head>
<body>
<header>
<h1>container-builder</h1><span id="site"></span><span id="state" role="status">Loading</span><span id="age"></span>
</header>
<main>
<noscript><p>This page needs JavaScript to show its tables. Without it, read <a href="status.json">status.json</a>.</p></noscript>
<ul id="notes" aria-label="Warnings"></ul>
<section><h2>Pools</h2>
${table("pools", "Pools", POOLS, POOL_NUMBERS)}
<p id="legend"><span><i class="key leased"></i>leased</span><span><i class="key ready"></i>ready</span><span
><i class="key booting"></i>booting</span><span><i class="key ending"></i>ending</span><span
><i class="key held"></i>held</span><span
><i class="key free"></i>free, up to the maximum</span></p>
</section>
<section><h2>Running <span id="running-total"></span></h2>
${table("running", "Running builds", RUNNING, ["Attempt", "Running for"])}</section>
<section><h2>Waiting <span id="waiting-total"></span></h2>
${table("waiting", "Waiting builds", WAITING, ["Position", "Waiting for"])}</section>
<section><h2>Last failures</h2>
${table("failures", "Last failures", FAILURES, ["When"])}</section>
<p class="soft">cb-queue <span id="version"></span></p>
</main>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;

const hashOf = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** Nothing runs but this script, nothing is loaded but the data, and the script cannot write HTML. */
export const STATUS_PAGE_POLICY = [
  "default-src 'none'",
  `script-src ${hashOf(PAGE_SCRIPT)}`,
  `style-src ${hashOf(PAGE_STYLE)}`,
  "img-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");
