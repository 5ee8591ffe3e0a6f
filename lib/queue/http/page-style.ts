/** The style of the status page. One accent colour; every state has a word or a number beside its colour. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --ground: #fbfbfa; --panel: #ffffff; --line: #e1e2e0; --ink: #1d2022; --soft: #5b6165;
  --accent: #0b6b8a; --accent-soft: #9cc7d5; --alarm: #a3260f; --alarm-ground: #fdf1ee;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #15181a; --panel: #1c2023; --line: #32383c; --ink: #e6e8e9; --soft: #a2abb0;
    --accent: #62bcd9; --accent-soft: #2c5a69; --alarm: #ff9c86; --alarm-ground: #2f1d19;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
header, main { max-width: 1400px; margin: 0 auto; padding: 0 20px; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 14px; padding-top: 18px; padding-bottom: 12px; }
h1 { font-size: 18px; margin: 0; font-weight: 650; }
#site { color: var(--soft); }
#state { font-weight: 600; color: var(--accent); }
#state.bad, #age.bad { color: var(--alarm); font-weight: 600; }
#age { margin-left: auto; color: var(--soft); }
#notes { list-style: none; margin: 0 0 16px; padding: 0; }
#notes li {
  border: 1px solid var(--alarm); border-left-width: 4px; border-radius: 4px;
  background: var(--alarm-ground); padding: 7px 12px; margin-bottom: 6px; overflow-wrap: anywhere;
}
#notes b { color: var(--alarm); }
section { margin: 0 0 22px; }
h2 { font-size: 14px; font-weight: 650; margin: 0 0 6px; }
h2 span { color: var(--soft); font-weight: 400; }
table { width: 100%; border-collapse: collapse; background: var(--panel); border: 1px solid var(--line); }
th, td { text-align: left; vertical-align: top; padding: 5px 12px; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-weight: 500; font-size: 12px; white-space: nowrap; }
tbody th { font-weight: 600; }
.number { text-align: right; }
.number, .short, .code, tbody th { white-space: nowrap; width: 1%; }
.long { overflow-wrap: anywhere; }
.code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12.5px; }
.soft, td.empty { color: var(--soft); }
.zero { color: var(--soft); }
.bar { display: flex; gap: 1px; width: 100%; min-width: 110px; height: 10px; margin-top: 5px; background: var(--line); }
.bar i { display: block; }
.leased { background: var(--accent); }
.ready { background: var(--accent-soft); }
.booting {
  background: repeating-linear-gradient(135deg, var(--accent-soft) 0 3px, var(--panel) 3px 6px);
}
.ending { background: var(--soft); }
.held { background: var(--alarm); }
.key { display: inline-block; width: 9px; height: 9px; margin-right: 5px; }
.free { background: var(--line); }
#legend { color: var(--soft); font-size: 12px; margin: 6px 0 0; display: flex; flex-wrap: wrap; gap: 2px 16px; }
noscript p { border: 1px solid var(--line); background: var(--panel); padding: 10px 12px; }
a { color: var(--accent); }
@media (max-width: 1000px) {
  th, td { padding: 5px 8px; }
  .bar { min-width: 80px; }
}
@media (max-width: 720px) {
  header, main { padding-left: 12px; padding-right: 12px; }
  #age { margin-left: 0; width: 100%; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody { display: block; }
  tr { display: grid; grid-auto-flow: dense; grid-template-columns: 1fr 1fr; gap: 0 16px; padding: 6px 12px; border-top: 1px solid var(--line); }
  tbody tr:first-child { border-top: 0; }
  th, td, .number, .short, .code, tbody th { width: auto; }
  th, td { display: flex; justify-content: space-between; gap: 10px; border: 0; padding: 2px 0; min-width: 0; }
  td[data-label]::before, th[data-label]::before { content: attr(data-label); color: var(--soft); font-weight: 400; }
  tbody th, .long, .wide, td.empty { grid-column: 1 / -1; }
  td[data-label=""]::before { content: none; }
  .long:not([data-label=""]) { text-align: right; }
  td:empty { display: none; }
  .use { width: 70%; }
}
`;
