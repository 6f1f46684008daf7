// State, addresses, keys, and the start.
const state = { protocol: summary.protocols[0] || "paper", drawn: true, overlays: [], list: null, browser: null };

function route() {
  const [, view, text] = /^#\/([^?]*)\??(.*)$/.exec(location.hash) || [null, "", ""];
  return { view, query: new URLSearchParams(text) };
}
function go(changes) {
  const { query } = route();
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null) query.delete(name);
    else query.set(name, value);
  }
  const next = address("samples", Object.fromEntries(query));
  if (next === location.hash) return;
  // Steps through samples and filters replace one another; opening the first one can be undone.
  history[changes.at && !route().query.get("at") ? "pushState" : "replaceState"](null, "", next);
  render();
}
function render() {
  const { view, query } = route();
  const main = byId("main");
  const pages = { "": overview, task: taskPage, samples: samplesPage, runs: runsPage };
  for (const [name, id] of [["", "overview"], ["samples", "samples"], ["runs", "runs"]]) {
    const here = view === name || (name === "" && view === "task");
    if (here) byId(`nav-${id}`).setAttribute("aria-current", "page");
    else byId(`nav-${id}`).removeAttribute("aria-current");
  }
  const same = view === "samples" && state.browser && state.browser.node.isConnected;
  if (!same) {
    main.replaceChildren();
    main.scrollTop = 0;
  }
  (pages[view] || overview)(main, query);
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  for (const overlay of state.overlays) overlay.draw();
}
function toggleTheme() {
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
}
const dark = matchMedia("(prefers-color-scheme: dark)");
setTheme(dark.matches ? "dark" : "light");
dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));

function toggleDrawn() {
  state.drawn = !state.drawn;
  for (const overlay of state.overlays) { overlay.all = state.drawn; overlay.draw(); }
  say(state.drawn ? "drawings shown" : "drawings hidden");
}
function playOrPause() {
  const video = document.querySelector("#detail video");
  if (video) (video.paused ? video.play() : video.pause());
}
function foldThinking() {
  const folds = [...document.querySelectorAll("#detail details.thinking")];
  const open = folds.some((fold) => !fold.open);
  for (const fold of folds) fold.open = open;
}
function step(by) {
  if (route().view === "samples" && state.list) state.list.step(by);
}
const KEYS = {
  j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
  "/": () => { location.hash = route().view === "samples" ? location.hash : "#/samples"; setTimeout(() => { const box = byId("filter-q"); if (box) box.focus(); }, 60); },
  Enter: () => { const node = byId("sample-title"); if (node) node.focus(); },
  Escape: () => { if (route().query.get("at")) closeSample(); },
  p: playOrPause, o: toggleDrawn, f: foldThinking, t: toggleTheme, "?": () => byId("keys").showModal(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
  const typing = event.target.closest("input, select, textarea, video");
  if (typing) {
    if (event.key === "Escape") typing.blur();
    return;
  }
  const inList = event.target.closest("#list");
  if (event.key === "Enter" && !inList && event.target !== document.body) return;
  if (event.key.startsWith("Arrow") && (route().view !== "samples" || event.target.closest("#detail, .timeline"))) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

byId("protocol").append(...summary.protocols.map((name) => el("option", { value: name }, name)));
byId("protocol").addEventListener("change", (event) => { state.protocol = event.target.value; render(); });
byId("theme").addEventListener("click", toggleTheme);
byId("help").addEventListener("click", () => byId("keys").showModal());
window.addEventListener("hashchange", render);
window.addEventListener("popstate", render);
window.addEventListener("error", (event) => say(`The page has a fault: ${event.message}`));
render();
// The rest of the file is read while the first view is there already.
ready.then(() => loadLists()).catch((error) => say(String(error.message || error)));
