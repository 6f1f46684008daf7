// Making elements. Text only ever goes in through textContent: nothing a model wrote is markup.
const SVG = "http://www.w3.org/2000/svg";
const byId = (name) => document.getElementById(name);
const summary = JSON.parse(byId("summary").textContent);
const two = summary.runs.length === 2;

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (key === "style") for (const [name, it] of Object.entries(value)) node.style.setProperty(name, it);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children.flat(3)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const RUN_COLOURS = ["--first", "--second"];
const number = (value, digits = 1) =>
  value === null || value === undefined ? "–" : value.toFixed(digits);
const signed = (value, digits = 1) =>
  value === null || value === undefined ? "–" : (value > 0 ? "+" : "") + value.toFixed(digits).replace("-", "−");
const whole = (value) => value.toLocaleString("en");
const probability = (p) => (p === null || p === undefined ? "–" : p < 0.001 ? "< 0.001" : p.toFixed(3));
const taskName = (task) => [task.title || task.benchmark, task.split].filter(Boolean).join(" · ");
const say = (text) => { byId("status").textContent = text; };

function link(view, query, ...children) {
  return el("a", { href: address(view, query) }, ...children);
}
function address(view, query) {
  const words = new URLSearchParams();
  for (const [key, value] of Object.entries(query || {})) if (value !== "" && value !== null && value !== undefined) words.set(key, value);
  const text = words.toString();
  return `#/${view}${text ? "?" + text : ""}`;
}
function scrolling(label, table) {
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);
}
function table(headings, rows) {
  const head = headings.map((text) => el("th", { scope: "col" }, text));
  return el("table", null, el("thead", null, el("tr", null, head)),
    el("tbody", null, rows.map((cells) => el("tr", null, cells.map((cell, place) =>
      cell instanceof HTMLTableCellElement ? cell : el(place ? "td" : "th", place ? null : { scope: "row" }, cell))))));
}
function runLegend() {
  return el("ul", { class: "legend" }, summary.runs.map((run, place) =>
    el("li", null, el("i", { style: { background: `var(${RUN_COLOURS[place]})` } }), run.name)));
}
