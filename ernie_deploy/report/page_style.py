"""How the page looks: by day and by night, on paper and on a phone. And the few lines that filter its list."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #1c2128; --soft: #59636e; --line: #d9dee4; --well: #f3f5f8; --link: #0a58ca;
  --pass: #187a35; --fail: #c4202b; --skip: #66707b; --unsupported: #7a3fd0; --warn: #fff3d1; --warn-ink: #6b4a00;
  --expected: #12a150; --answered: #f08000;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1318; --card: #181d24; --ink: #e6eaef; --soft: #9aa5b1; --line: #2c343e; --well: #11161c;
    --link: #7fb2ff; --pass: #2c9a4b; --fail: #e0444d; --skip: #6f7a86; --unsupported: #9663e6; --warn: #3c2f0c;
    --warn-ink: #ffd980;
  }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 3rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .2rem; overflow-wrap: anywhere }
h4 { font-size: .78rem; letter-spacing: .03em; color: var(--soft); margin: .9rem 0 .25rem; font-weight: 600 }
p { margin: .4rem 0; overflow-wrap: anywhere }
code, pre { font: 12.5px/1.5 ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace }
pre { margin: 0; padding: .6rem .75rem; background: var(--well); border: 1px solid var(--line); border-radius: 6px;
  white-space: pre-wrap; overflow-wrap: anywhere; max-height: 26rem; overflow: auto }
pre.said { font: inherit; border-left: 3px solid var(--link) }
pre.thought { font: inherit; font-style: italic; color: var(--soft) }
.soft { color: var(--soft) }
.banner { background: var(--warn); color: var(--warn-ink); border-radius: 8px; padding: .6rem .9rem; margin: 1rem 0;
  font-weight: 600 }
.bar { display: flex; height: .6rem; border-radius: .3rem; overflow: hidden; margin: 1.1rem 0 .7rem; gap: 2px;
  background: var(--line) }
.bar span { min-width: 4px }
.tally { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0 0 1rem }
.tally button { font: inherit; color: var(--ink); background: var(--card); border: 1px solid var(--line);
  border-radius: 999px; padding: .2rem .8rem .2rem .6rem; cursor: pointer }
.tally button[aria-pressed=true] { border-color: var(--ink); box-shadow: inset 0 0 0 1px var(--ink) }
.tally button:disabled { opacity: .5; cursor: default }
.dot { display: inline-block; width: .65rem; height: .65rem; border-radius: 50%; margin-right: .35rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .8rem 0 0 }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere; min-width: 0 }
.case { background: var(--card); border: 1px solid var(--line); border-radius: 8px; margin: .5rem 0; overflow: hidden }
.case > summary { display: grid; grid-template-columns: 6.5rem 11rem minmax(0, 1fr) max-content;
  gap: .75rem; align-items: baseline; padding: .55rem .9rem; cursor: pointer; list-style: none }
.case > summary::-webkit-details-marker { display: none }
.case > summary:hover, .exchange > summary:hover { background: var(--well) }
.case[open] > summary { border-bottom: 1px solid var(--line) }
summary:focus-visible, button:focus-visible { outline: 2px solid var(--link); outline-offset: -2px }
.badge { color: #fff; font-size: .75rem; font-weight: 600; text-align: center; border-radius: 4px;
  padding: .1rem .4rem }
.id { font-weight: 600; overflow-wrap: anywhere }
.brief { grid-column: 3; grid-row: 1; color: var(--soft); overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap }
.case[open] .brief { visibility: hidden }
.case > summary > .time { grid-column: 4 }
.time { color: var(--soft); font-variant-numeric: tabular-nums; white-space: nowrap }
.body { padding: .7rem .9rem 1rem }
.message { font-size: 1.02rem }
.pass { background: var(--pass) } .fail { background: var(--fail) } .skip { background: var(--skip) }
.unsupported { background: var(--unsupported) }
.case.is-fail { border-left: 4px solid var(--fail) }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; margin: .8rem 0 }
figure { margin: 0; max-width: 100% }
.frame { position: relative; display: inline-block; max-width: 100%; line-height: 0; border: 1px solid var(--line);
  background: #fff; color: #1c2128 }
.frame img, .frame video { max-width: 100%; max-height: 22rem; min-width: 3rem; min-height: 3rem; line-height: 1.4;
  image-rendering: pixelated }
.frame svg { position: absolute; inset: 0; width: 100%; height: 100% }
.frame rect { fill: none; stroke-width: 3; vector-effect: non-scaling-stroke }
.frame rect.halo { stroke: #fff; stroke-width: 6 }
rect.expected { stroke: var(--expected) } rect.answered { stroke: var(--answered); stroke-dasharray: 7 4 }
.key-expected { background: var(--expected) } .key-answered { background: var(--answered) }
figcaption { font-size: .82rem; color: var(--soft); max-width: 26rem; overflow-wrap: anywhere }
.exchange { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0 }
.exchange > summary, .raw > summary { cursor: pointer; padding: .35rem .7rem; overflow-wrap: anywhere }
.exchange > div { padding: 0 .7rem .8rem }
.raw { margin: .7rem 0 0 } .raw > summary { padding: .2rem 0; color: var(--soft) }
.error { color: var(--fail); font-weight: 600 }
footer { margin-top: 2rem; color: var(--soft); font-size: .85rem }
@media (max-width: 40rem) {
  main { padding: 1rem .6rem 2rem }
  .case > summary { grid-template-columns: 6.5rem minmax(0, 1fr) max-content; gap: .5rem; padding: .55rem .6rem }
  .case > summary > .time { grid-column: 3 }
  .brief { grid-column: 1 / -1; grid-row: 2; white-space: normal } .case[open] .brief { display: none }
  .body { padding: .6rem }
}
@media print {
  :root { --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --well: #fff }
  body { font-size: 11px } main { max-width: none; padding: 0 } .case, .exchange, figure { break-inside: avoid }
  * { print-color-adjust: exact } pre { max-height: none } .tally button { cursor: auto }
}
"""

SCRIPT = """
const cases = [...document.querySelectorAll('.case')];
const buttons = [...document.querySelectorAll('.tally button')];
for (const button of buttons) button.addEventListener('click', () => {
  const isOn = button.getAttribute('aria-pressed') === 'true';
  for (const other of buttons) other.setAttribute('aria-pressed', 'false');
  button.setAttribute('aria-pressed', String(!isOn));
  for (const one of cases) one.hidden = !isOn && one.dataset.verdict !== button.dataset.verdict;
});
// Folded parts would be missing on paper.
addEventListener('beforeprint', () => { for (const one of document.querySelectorAll('details')) one.open = true; });
"""
