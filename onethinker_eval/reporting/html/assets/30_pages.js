// The overview, a page for each benchmark split, and what the runs were.
const FAMILY_ORDER = [...new Set(summary.tasks.map((task) => task.family))];
const plain = (name) => name.replaceAll("_", " ");

function title() {
  return summary.runs.map((run) => run.name).join(" and ");
}
function demoNote() {
  return summary.runs.some((run) => run.demo)
    ? el("p", { class: "warn" }, "Demo data: these numbers show that the harness works, not how good a model is.") : null;
}
function partialNote(run) {
  if (!run.partial.length) return null;
  return el("p", { class: "warn" }, `${two ? run.name + ", b" : "B"}enchmarks run in part, so without a verdict against the paper: ${run.partial.join("; ")}.`);
}
function valueCell(row) {
  if (!row) return el("td", null, "–");
  const range = row[2] === null ? null : el("span", { class: "range" }, ` ${number(row[2])} to ${number(row[3])}`);
  return el("td", null, el("span", { class: "value" }, number(row[1])), range);
}
function paperCell(paper) {
  if (!paper || state.protocol !== "paper") return el("td", null, "–");
  const tone = paper.verdict === "above" ? "good" : paper.verdict === "below" ? "bad" : "";
  return el("td", null, `${number(paper.value)} `, el("span", { class: tone }, signed(paper.difference)), el("span", { class: "range" }, ` ${paper.verdict}`));
}

function overview(main) {
  const protocol = state.protocol;
  const anyPaper = summary.tasks.some((task) => task.paper.some(Boolean));
  const headings = ["Benchmark", ...summary.runs.map((run) => (two ? run.name : "Value")),
    ...(two ? ["Difference", "Adjusted p", "Wins / losses"] : []), ...(anyPaper && !two ? ["Paper"] : []), ...(two ? [] : ["n"]), "Unparsable", "Failed"];
  const tasks = FAMILY_ORDER.flatMap((family) => summary.tasks.filter((task) => task.family === family));
  const rows = tasks.map((task) => overviewRow(task, protocol, anyPaper));
  main.append(el("div", { class: "page" },
    el("h1", null, title()),
    el("p", { class: "note" }, summary.runs.map((run) => `${run.model}, ${run.created.slice(0, 10)}`).join(" · ")),
    demoNote(),
    summary.runs.map(partialNote),
    el("section", { class: "card", "aria-label": "Leaderboard" }, el("h2", null, `Leaderboard, ${protocol} protocol`), scrolling("Leaderboard table", table(headings, rows)), means()),
    el("section", { class: "card", "aria-label": "Plot" }, el("h2", null, "Headline values"), two ? runLegend() : null, forestPlot(tasks, protocol),
      el("p", { class: "note" }, "Bars are 95 % intervals: images or videos drawn again 1,000 times."))));
}
function overviewRow(task, protocol, anyPaper) {
  const found = summary.runs.map((_, run) => valueRow(task, run, protocol));
  const any = found.find(Boolean);
  const name = el("th", { scope: "row" }, link("task", { id: task.id }, taskName(task)), el("span", { class: "range metric" }, ` ${[any ? any[0] : "", ...masksBy(task)].filter(Boolean).join(", ")}`));
  const compared = two ? comparedCells((summary.comparisons[protocol] || {})[task.id]) : [];
  const sums = (place) => summary.runs.map((_, run) => (found[run] ? whole(found[run][place]) : "–")).join(" / ");
  const failed = found.some((row) => row && row[6]);
  return [name, ...found.map(valueCell), ...compared,
    ...(anyPaper && !two ? [paperCell(task.paper[0])] : []), ...(two ? [] : [sums(4)]), sums(5), el("td", { class: failed ? "bad" : "" }, sums(6))];
}
function masksBy(task) {
  return [...new Set(task.segmenters.filter(Boolean))].map((name) => `masks by ${name}`);
}
function comparedCells(found) {
  if (!found || found.difference === null) return ["–", "–", "–"];
  const tone = found.verdict === "better" ? "good" : found.verdict === "worse" ? "bad" : "";
  return [el("td", null, el("span", { class: `value ${tone}` }, signed(found.difference)), el("span", { class: "range" }, ` ${signed(found.low)} to ${signed(found.high)}`)),
    probability(found.adjusted), `${whole(found.wins)} / ${whole(found.losses)}`];
}
function means() {
  const names = [...new Set(summary.runs.flatMap((run) => Object.keys(run.means)))];
  if (!names.length || state.protocol !== "paper") return null;
  return el("div", null, el("h3", null, "Means of whole families, as in the paper's tables 9 and 10"),
    scrolling("Family means", table(["Family", ...summary.runs.map((run) => run.name)], names.map((name) => [plain(name), ...summary.runs.map((run) => number(run.means[name] ?? null))]))));
}

function taskPage(main, query) {
  const task = summary.tasks.find((item) => item.id === query.get("id")) || summary.tasks[0];
  const spot = el("div");
  const compared = two ? (summary.comparisons[state.protocol] || {})[task.id] : null;
  main.append(el("div", { class: "page" },
    el("p", null, link("", null, "Overview")),
    el("h1", null, taskName(task)),
    el("p", { class: "note" }, `${[...new Set([plain(task.family), task.kind])].join(", ")}; ${whole(task.samples)} samples` + (task.expected && !summary.runs[0].demo ? ` of ${whole(task.expected)}` : "")),
    demoNote(),
    el("p", null, link("samples", { task: task.id }, `Browse the ${whole(task.samples)} samples`)),
    spot, compared ? comparedCard(task, compared) : null,
    summary.runs.map((run, place) => metricsCard(task, run, place)),
    el("section", { class: "card", "aria-label": "Background" }, el("h2", null, "Background"), background(task))));
  loadLists().then(() => {
    spot.append(el("div", { class: "grid" }, summary.runs.map((run, place) => el("section", { class: "card", "aria-label": `Scores of ${run.name}` },
      el("h2", two ? { class: `of-${place}` } : null, two ? run.name : "Scores"), histogram(task, place), outcomeBar(task, place), reasons(task, place)))));
  });
}
function metricsCard(task, run, place) {
  const protocols = summary.protocols.filter((name) => (task.metrics[place] || {})[name]);
  const names = [...new Set(protocols.flatMap((name) => task.metrics[place][name].map((row) => row[0])))];
  const rows = names.map((name) => [name, ...protocols.map((protocol) => valueCell(task.metrics[place][protocol].find((row) => row[0] === name)))]);
  return el("section", { class: "card", "aria-label": `All metrics of ${run.name}` }, el("h2", null, two ? `Metrics of ${run.name}` : "Metrics, all protocols"),
    scrolling(`Metrics of ${run.name}`, table(["Metric", ...protocols], rows)));
}
function comparedCard(task, found) {
  const test = found.mcnemar === null ? "" : `, McNemar p = ${probability(found.mcnemar)}`;
  return el("section", { class: "card", "aria-label": "Difference" }, el("h2", null, `${summary.runs[1].name} against ${summary.runs[0].name}`),
    el("div", { class: "grid" }, el("div", null,
      el("p", null, `${found.metric} on the ${whole(found.n)} samples both scored: ${number(found.first)} and ${number(found.second)}, `, el("b", null, found.verdict), "."),
      found.difference === null ? null : el("p", null, `Difference ${signed(found.difference)} (95 %: ${signed(found.low)} to ${signed(found.high)}), p = ${probability(found.p)}, ${probability(found.adjusted)} adjusted over benchmarks (Holm)${test}.`),
      el("p", null, `Wins ${whole(found.wins)}, losses ${whole(found.losses)}, ties ${whole(found.ties)}. `, link("samples", { task: task.id, change: "flipped" }, `${whole(found.flips.length)} samples flipped`), ".")),
    scatterWhenLoaded(task)));
}
function scatterWhenLoaded(task) {
  const spot = el("div");
  loadLists().then(() => { const plot = scatter(task); if (plot) spot.append(plot); });
  return spot;
}
function reasons(task, run) {
  const place = summary.tasks.indexOf(task);
  const columns = scoresOf(place, run);
  if (!columns) return null;
  const counts = new Map();
  columns.reason.forEach((reason) => { if (reason) counts.set(reason, (counts.get(reason) || 0) + 1); });
  if (!counts.size) return null;
  const rows = [...counts].sort((a, b) => b[1] - a[1]).map(([reason, count]) => {
    const name = store.lists[place].reasons[reason];
    return [el("span", null, name, summary.failureMeanings[name] ? el("span", { class: "range" }, ` ${summary.failureMeanings[name]}`) : null), whole(count)];
  });
  return el("div", null, el("h3", null, "Why samples have no score of their own"), table(["Reason", "Samples"], rows));
}
function background(task) {
  const facts = [["Licence", task.licence], ["Home page", task.homepage ? el("a", { href: task.homepage, rel: "noreferrer" }, task.homepage) : ""],
    ...task.signatures.map((text, place) => [two ? `Signature, ${summary.runs[place].name}` : "Signature", text])];
  return [factList(facts), task.caveats.map((text) => el("p", { class: "note" }, text))];
}
function factList(facts) {
  return el("dl", { class: "facts" }, facts.filter(([, value]) => value !== "" && value !== null).map(([name, value]) => [el("dt", null, name), el("dd", null, value instanceof Node ? value : String(value))]));
}

function runsPage(main) {
  main.append(el("div", { class: "page" }, el("h1", null, "About"), demoNote(),
    summary.runs.map((run) => el("section", { class: "card", "aria-label": run.name }, el("h2", null, run.name), factList(Object.entries(run.facts)))),
    two ? el("section", { class: "card", "aria-label": "Differences" }, el("h2", null, "What the two manifests state differently"),
      summary.differences.length ? el("ul", null, summary.differences.map((text) => el("li", null, text))) : el("p", null, "Nothing."),
      summary.missing.length ? el("p", { class: "note" }, `In one run only: ${summary.missing.join(", ")}`) : null) : null));
}
