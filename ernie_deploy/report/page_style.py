"""How the page looks: by day and by night, on paper and on a phone. And the few lines of script that it can do without.

Words have a contrast of at least 4.5 to what they stand on; a test computes it from these colours.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #1c2128; --soft: #59636e; --line: #d9dee4; --well: #f3f5f8; --link: #0a58ca;
  --pass: #187a35; --fail: #c4202b; --skip: #66707b; --unsupported: #7a3fd0; --badge-ink: #fff; --error: #c4202b;
  --good: #187a35; --warn: #fff3d1; --warn-ink: #6b4a00; --expected: #12a150; --answered: #f08000;
  --waiting: #aab4bf; --thinking: #8a63d2; --answering: #2f7de1;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1318; --card: #181d24; --ink: #e6eaef; --soft: #9aa5b1; --line: #2c343e; --well: #11161c;
    --link: #7fb2ff; --pass: #4cc26d; --fail: #ff7b7f; --skip: #9aa5b1; --unsupported: #b794f6; --badge-ink: #10141a;
    --error: #ff8a8e; --good: #5fd07f; --warn: #3c2f0c; --warn-ink: #ffd980;
  }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif }
main { max-width: 66rem; margin: 0 auto; padding: 1.5rem 1rem 3rem }
a { color: var(--link) }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere }
h1.is-fail { color: var(--error) } h1.is-pass { color: var(--good) }
h2 { font-size: 1.05rem; margin: 1.6rem 0 .5rem }
h3 { font-size: 1em; margin: 0 }
h4 { font-size: .78rem; letter-spacing: .03em; color: var(--soft); margin: .9rem 0 .25rem; font-weight: 600 }
p { margin: .4rem 0; overflow-wrap: anywhere }
code, pre { font: 12.5px/1.5 ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace }
pre { margin: 0; padding: .6rem .75rem; background: var(--well); border: 1px solid var(--line); border-radius: 6px;
  white-space: pre-wrap; overflow-wrap: anywhere; max-height: 26rem; overflow: auto }
pre.said { font: inherit; border-left: 3px solid var(--link) }
pre.thought { font: inherit; font-style: italic; color: var(--soft) }
.soft { color: var(--soft) }
.model { font-size: 1.15rem; font-weight: 600; margin: .2rem 0 0 }
.banner { background: var(--warn); color: var(--warn-ink); border-radius: 8px; padding: .6rem .9rem; margin: 1rem 0;
  font-weight: 600 }
.bar { display: flex; height: .6rem; border-radius: .3rem; overflow: hidden; margin: 1.1rem 0 .7rem; gap: 2px;
  background: var(--line) }
.bar span { min-width: 4px }
.tally { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0; padding: 0; border: 0; align-items: center }
.tally legend { float: left; padding: 0 .3rem 0 0; color: var(--soft) }
.tally label { background: var(--card); border: 1px solid var(--line); border-radius: 999px; padding: .2rem .8rem;
  cursor: pointer; position: relative }
.tally input { position: absolute; opacity: 0; inset: 0; margin: 0; cursor: pointer }
.tally label:has(:checked) { border-color: var(--ink); box-shadow: inset 0 0 0 1px var(--ink); font-weight: 600 }
.tally label:has(:focus-visible) { outline: 2px solid var(--link); outline-offset: 2px }
.tally label:has(:disabled) { color: var(--soft); border-style: dashed }
.tally :disabled { cursor: default }
.tally button { font: inherit; color: var(--link); background: none; border: 0; padding: .2rem .4rem; cursor: pointer }
main:has(#show-fail:checked) .group:not(.is-fail), main:has(#show-unsupported:checked) .group:not(.is-unsupported),
main:has(#show-skip:checked) .group:not(.is-skip), main:has(#show-pass:checked) .group:not(.is-pass) { display: none }
.dot { display: inline-block; width: .65rem; height: .65rem; border-radius: 50%; margin-right: .35rem }
dl { display: flex; flex-wrap: wrap; gap: .3rem 1.6rem; margin: .7rem 0 0 }
dl div { min-width: 0 }
dt { color: var(--soft); font-size: .78rem } dd { margin: 0; overflow-wrap: anywhere }
.index ul { margin: 0; padding: 0; list-style: none; background: var(--card); border: 1px solid var(--line);
  border-left: 4px solid var(--fail); border-radius: 8px }
.index li { display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: .75rem; padding: .3rem .9rem }
.index li + li { border-top: 1px solid var(--line) }
.index a { font-weight: 600; overflow-wrap: anywhere }
.index span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.case { background: var(--card); border: 1px solid var(--line); border-radius: 8px; margin: .5rem 0; overflow: hidden }
.case:target { border-color: var(--link); box-shadow: 0 0 0 2px var(--link) }
.case > summary { display: grid; grid-template-columns: 6.5rem 11rem minmax(0, 1fr) max-content;
  gap: .75rem; align-items: baseline; padding: .55rem .9rem; cursor: pointer; list-style: none }
.case > summary::-webkit-details-marker { display: none }
.case > summary:hover, .exchange > summary:hover { background: var(--well) }
.case[open] > summary { border-bottom: 1px solid var(--line) }
summary:focus-visible, button:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: -2px }
.badge { color: var(--badge-ink); font-size: .75rem; font-weight: 600; text-align: center; border-radius: 4px;
  padding: .1rem .4rem }
.id { font-weight: 600; overflow-wrap: anywhere }
.brief { grid-column: 3; grid-row: 1; color: var(--soft); overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap }
.case[open] .brief { visibility: hidden }
.case > summary > .time { grid-column: 4 }
.time { color: var(--soft); font-variant-numeric: tabular-nums; white-space: nowrap }
.times { color: var(--soft); font-variant-numeric: tabular-nums }
.body { padding: .7rem .9rem 1rem }
.message { font-size: 1.02rem; font-weight: 600 }
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
.key { display: inline-block; width: 1.6rem; margin-right: .4rem; vertical-align: middle; border-top: 3px solid }
.key-expected { border-color: var(--expected) } .key-answered { border-color: var(--answered); border-style: dashed }
figcaption { font-size: .82rem; color: var(--soft); max-width: 26rem; overflow-wrap: anywhere }
.strip { display: flex; flex-wrap: wrap; gap: .4rem; margin: 0; padding: 0; list-style: none }
.strip li { width: 4.4rem; text-align: center; font-size: .75rem; color: var(--soft) }
.strip img { display: block; width: 100%; border: 1px solid var(--line); image-rendering: pixelated }
.timeline { display: flex; height: .5rem; max-width: 30rem; border-radius: .25rem; overflow: hidden }
.waiting { background: var(--waiting) } .thinking { background: var(--thinking) }
.answering { background: var(--answering) }
.exchange { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0 }
.exchange > summary, .raw > summary { cursor: pointer; padding: .35rem .7rem; overflow-wrap: anywhere }
.exchange > div { padding: 0 .7rem .8rem }
.raw { margin: .7rem 0 0 } .raw > summary { padding: .2rem 0; color: var(--soft) }
.error { color: var(--error); font-weight: 600 }
footer { margin-top: 2rem; color: var(--soft); font-size: .85rem }
@media (max-width: 40rem) {
  main { padding: 1rem .6rem 2rem } h1 { font-size: 1.5rem }
  .case > summary { grid-template-columns: 6.5rem minmax(0, 1fr) max-content; gap: .5rem; padding: .55rem .6rem }
  .case > summary > .time { grid-column: 3 }
  .brief { grid-column: 1 / -1; grid-row: 2; white-space: normal } .case[open] .brief { display: none }
  .index li { grid-template-columns: minmax(0, 1fr); gap: 0; padding: .35rem .6rem }
  .index span { white-space: normal }
  .body { padding: .6rem }
}
@media print {
  :root { color-scheme: light; --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --well: #fff;
    --link: #000; --pass: #187a35; --fail: #c4202b; --skip: #66707b; --unsupported: #7a3fd0; --badge-ink: #fff;
    --error: #000; --good: #000; --warn: #fff; --warn-ink: #000 }
  body { font-size: 11px } main { max-width: none; padding: 0 } figure, .case > summary { break-inside: avoid }
  * { print-color-adjust: exact } pre { max-height: none } .tally button, .raw:not([open]) { display: none }
  h2, summary { break-after: avoid }
}
"""

SCRIPT = """
const cases = [...document.querySelectorAll('.case')];
// Who follows a link to a probe wants to see it: unfolded, and not hidden by the choice above.
const follow = () => {
  const one = cases.find(found => '#' + found.id === location.hash);
  if (!one) return;
  document.getElementById('show-all').checked = true;
  one.open = true;
  one.scrollIntoView();
};
addEventListener('hashchange', follow);
follow();
const button = document.createElement('button');
button.type = 'button';
const name = () => { button.textContent = cases.every(one => one.open) ? 'fold all' : 'unfold all'; };
button.addEventListener('click', () => {
  const all = !cases.every(one => one.open);
  for (const one of cases) one.open = all;
  name();
});
name();
document.querySelector('.tally').append(button);
// Paper cannot be unfolded: of what failed, everything but the raw answers is printed.
addEventListener('beforeprint', () => {
  for (const one of document.querySelectorAll('.case.is-fail, .case.is-fail .exchange')) one.open = true;
});
"""
