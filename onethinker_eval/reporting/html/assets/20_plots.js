// Plots as inline SVG, drawn from numbers; each has a text alternative.
function valueRow(task, run, protocol) {
  const rows = (task.metrics[run] || {})[protocol] || [];
  const wanted = task.headline[protocol] || task.headline.paper;
  return rows.find((row) => row[0] === wanted) || rows[0] || null;
}

function forestPlot(tasks, protocol) {
  const shown = tasks.filter((task) => summary.runs.some((_, run) => valueRow(task, run, protocol)));
  const step = two ? 34 : 26;
  const left = 190;
  const width = 720;
  const height = shown.length * step + 30;
  const x = (value) => left + ((width - left - 16) * Math.max(0, Math.min(100, value))) / 100;
  const marks = [0, 25, 50, 75, 100].map((tick) => [
    svg("line", { x1: x(tick), x2: x(tick), y1: 0, y2: height - 22, stroke: "var(--line)" }),
    svg("text", { x: x(tick), y: height - 6, "text-anchor": "middle" }, tick + (tick === 100 ? " %" : "")),
  ]);
  const rows = shown.map((task, place) => {
    const middle = place * step + step / 2;
    const dots = summary.runs.map((run, which) => {
      const row = valueRow(task, which, protocol);
      if (!row) return null;
      const y = middle + (two ? (which ? 6 : -6) : 0);
      const tone = `var(${RUN_COLOURS[which]})`;
      const interval = row[2] === null ? "" : ` (95 %: ${number(row[2])} to ${number(row[3])})`;
      return svg("g", null,
        svg("title", null, `${run.name}: ${taskName(task)}, ${row[0]} ${number(row[1])}${interval}`),
        row[2] === null ? null : svg("line", { x1: x(row[2]), x2: x(row[3]), y1: y, y2: y, stroke: tone, "stroke-width": 3, "stroke-linecap": "round", opacity: 0.45 }),
        which ? svg("rect", { x: x(row[1]) - 4.5, y: y - 4.5, width: 9, height: 9, fill: tone }) : svg("circle", { cx: x(row[1]), cy: y, r: 5, fill: tone }));
    });
    const paper = task.paper.find(Boolean);
    const tick = paper && protocol === "paper" ? svg("path", { d: `M${x(paper.value)} ${middle - 9}v18`, stroke: "var(--ink)", "stroke-width": 2 }, svg("title", null, `paper: ${paper.value}`)) : null;
    return svg("g", null, svg("text", { x: left - 12, y: middle + 4, "text-anchor": "end", class: "name" }, clip(taskName(task), 27)), dots, tick);
  });
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", style: { "max-width": "860px" }, "aria-label": "Headline values with their 95 % intervals; the table above has the same numbers" }, marks, rows);
}
const clip = (text, length) => (text.length > length ? text.slice(0, length - 1) + "…" : text);

// Twenty bins over 0 … 1; a click opens the samples of a bin.
function histogram(task, run) {
  const place = summary.tasks.indexOf(task);
  const columns = scoresOf(place, run);
  const bins = new Array(20).fill(0);
  let counted = 0;
  for (const value of columns ? columns.value : []) {
    if (value === null) continue;
    bins[Math.min(19, Math.floor(value * 20))] += 1;
    counted += 1;
  }
  const most = Math.max(1, ...bins);
  const width = 520;
  const height = 150;
  const bars = bins.map((count, bin) => {
    const tall = count ? Math.max(2, (count / most) * (height - 44)) : 0;
    const from = bin / 20;
    const to = bin === 19 ? 1 : (bin + 1) / 20 - 0.0001;
    const text = `${from.toFixed(2)} to ${((bin + 1) / 20).toFixed(2)}: ${whole(count)} samples`;
    return svg("rect", { x: bin * 26 + 2, y: height - 20 - tall, width: 22, height: tall, fill: `var(${RUN_COLOURS[run]})`, class: "bar-mark",
      on: { click: () => { location.hash = address("samples", { task: task.id, min: from, max: to, run }); } } }, svg("title", null, text));
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((tick) =>
    svg("text", { x: Math.min(width - 8, Math.max(4, tick * width)), y: height - 4, "text-anchor": "middle" }, String(tick)));
  const axis = svg("line", { x1: 0, x2: width, y1: height - 19.5, y2: height - 19.5, stroke: "var(--line)" });
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", style: { "max-width": "600px" }, "aria-label": `Scores of ${whole(counted)} samples in twenty bins: ${bins.join(", ")}` }, bars, axis,
    svg("text", { x: width, y: 10, "text-anchor": "end" }, `highest bar: ${whole(most)}`), ticks);
}

const OUTCOME_COLOURS = { scored: "--done", unparsable: "--odd", failed: "--bad", absent: "--track" };
function outcomeBar(task, run) {
  const place = summary.tasks.indexOf(task);
  const columns = scoresOf(place, run);
  if (!columns) return null;
  const counts = summary.outcomes.map(() => 0);
  for (const outcome of columns.outcome) counts[outcome] += 1;
  const shown = summary.outcomes.map((name, i) => [name, counts[i]]).filter(([, count]) => count);
  const words = shown.map(([name, count]) => `${name} ${whole(count)}`).join(", ");
  return el("div", null,
    el("div", { class: "stack", role: "img", "aria-label": words }, shown.map(([name, count]) =>
      el("span", { style: { flex: String(count), background: `var(${OUTCOME_COLOURS[name]})` } }))),
    el("ul", { class: "legend" }, shown.map(([name, count]) =>
      el("li", null, el("i", { style: { background: `var(${OUTCOME_COLOURS[name]})` } }),
        link("samples", { task: task.id, outcome: name, run }, `${name} ${whole(count)}`)))));
}

// The values of two runs against each other, a dot a sample.
function scatter(task) {
  const place = summary.tasks.indexOf(task);
  const [one, other] = [scoresOf(place, 0), scoresOf(place, 1)];
  if (!one || !other) return null;
  const size = 260;
  const spots = new Map();
  one.value.forEach((value, i) => {
    if (value === null || other.value[i] === null) return;
    const key = `${Math.round(value * 50)},${Math.round(other.value[i] * 50)}`;
    spots.set(key, (spots.get(key) || 0) + 1);
  });
  const most = Math.max(1, ...spots.values());
  const dots = [...spots].map(([key, count]) => {
    const [x, y] = key.split(",").map((cell) => Number(cell) / 50);
    return svg("circle", { cx: 30 + x * (size - 40), cy: size - 24 - y * (size - 40), r: 2.5 + 7 * Math.sqrt(count / most), fill: "var(--first)", opacity: 0.55 },
      svg("title", null, `${x.toFixed(2)} and ${y.toFixed(2)}: ${whole(count)} samples`));
  });
  const line = svg("line", { x1: 30, y1: size - 24, x2: size - 10, y2: 16, stroke: "var(--track)", "stroke-dasharray": "4 4" });
  const frame = svg("rect", { x: 30, y: 16, width: size - 40, height: size - 40, fill: "none", stroke: "var(--line)" });
  return svg("svg", { viewBox: `0 0 ${size} ${size}`, role: "img", style: { "max-width": "340px" }, "aria-label": `Scores of ${summary.runs[0].name} (across) against ${summary.runs[1].name} (up)` },
    frame, line, dots,
    svg("text", { x: size / 2, y: size - 6, "text-anchor": "middle" }, clip(summary.runs[0].name, 30)),
    svg("text", { x: 12, y: size / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${size / 2})` }, clip(summary.runs[1].name, 30)));
}
