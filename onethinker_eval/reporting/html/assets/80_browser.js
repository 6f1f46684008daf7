// The sample browser: filters and list on the left, the open sample on the right.
function samplesPage(main, query) {
  const filter = filterOf(query);
  if (state.browser && state.browser.node.isConnected) {
    state.browser.update(filter, query.get("at"));
    return;
  }
  main.append(el("div", { class: "empty", id: "loading" }, "Reading the samples…"));
  loadLists((done, all) => { const node = byId("loading"); if (node) node.textContent = `Reading the samples… ${done} of ${all}`; })
    .then(() => {
      const now = route();
      if (now.view !== "samples") return;
      state.browser = new Browser(main);
      state.browser.update(filterOf(now.query), now.query.get("at"));
    })
    .catch((error) => main.replaceChildren(el("p", { class: "empty" }, String(error.message || error))));
}

class Browser {
  constructor(main) {
    this.list = new SampleList((sample) => go({ at: nameOf(sample) }));
    state.list = this.list;
    this.count = el("span", { id: "count" });
    this.form = el("form", { class: "filters", "aria-label": "Filters", on: { submit: (event) => event.preventDefault() } });
    this.detail = el("section", { class: "detail", id: "detail", "aria-label": "Sample" });
    const clear = el("button", { type: "button", on: { click: () => { location.hash = address("samples", { run: this.filter.run || "" }); } } }, "Clear filters");
    this.node = el("div", { class: "browser" }, el("div", { class: "side" }, this.form, el("div", { class: "count" }, this.count, clear), this.list.node), this.detail);
    main.replaceChildren(el("h1", { class: "hidden" }, "Samples"), this.node);
    this.controls = this.buildForm();
    this.round = 0;
  }
  field(name, label, node, wide) {
    node.id = `filter-${name}`;
    (this.more || this.form).append(el("label", { class: wide ? "wide" : "" }, label, node));
    return node;
  }
  select(name, label, choices, wide) {
    const node = el("select", { on: { change: () => go({ [name]: node.value, at: "" }) } }, Object.entries(choices).map(([value, text]) => el("option", { value }, text)));
    return this.field(name, label, node, wide);
  }
  buildForm() {
    const later = debounce((name, value) => go({ [name]: value, at: "" }), 180);
    const search = el("input", { type: "search", placeholder: "Question, answer or id", on: { input: () => later("q", search.value) } });
    const controls = { q: this.field("q", "Search", search, true) };
    const deep = el("input", { type: "checkbox", id: "filter-deep", on: { change: () => go({ deep: deep.checked ? "1" : "", at: "" }) } });
    this.form.append(el("label", { class: "wide check" }, deep, "also in whole replies and thinking"));
    controls.deep = deep;
    controls.task = this.select("task", "Benchmark", { "": "all", ...Object.fromEntries(summary.tasks.map((task) => [task.id, taskName(task)])) }, true);
    controls.outcome = this.select("outcome", "Outcome", { "": "all", ...Object.fromEntries(summary.outcomes.filter((name) => two || name !== "absent").map((name) => [name, name])) });
    controls.sort = this.select("sort", "Order", SORTS);
    this.more = el("div", { class: "more" });
    this.fold = el("details", { class: "wide" }, el("summary", null, "More filters"), this.more);
    this.form.append(this.fold);
    controls.reading = this.select("reading", "Read as", { "": "all", ...Object.fromEntries(summary.readings.map((name) => [name, name])) });
    const repairs = new Set(store.lists.flatMap((list) => list.repairSets.flat()));
    controls.repair = this.select("repair", "Repair", { "": "all", any: "any repair", ...Object.fromEntries([...repairs].sort().map((name) => [name, plain(name)])) });
    const ends = ["min", "max"].map((name) => {
      const node = el("input", { type: "number", min: 0, max: 1, step: 0.05, "aria-label": name === "min" ? "Lowest score" : "Highest score", id: `filter-${name}`, on: { input: () => later(name, node.value) } });
      controls[name] = node;
      return node;
    });
    this.more.append(el("div", { class: "wide ends", role: "group", "aria-label": "Score range" }, el("span", { class: "range" }, "Score"), ends[0], el("span", { class: "range" }, "to"), ends[1]));
    if (two) {
      controls.run = this.select("run", "Filters look at", Object.fromEntries(summary.runs.map((run, place) => [place, run.name])));
      controls.change = this.select("change", "Change", CHANGES);
    }
    return controls;
  }
  async update(filter, at) {
    const key = JSON.stringify([filter, state.protocol]);
    for (const [name, node] of Object.entries(this.controls)) {
      if (document.activeElement === node && node.type !== "checkbox") continue;
      if (name === "deep") node.checked = filter.deep;
      else node.value = String(filter[name] ?? "");
    }
    this.filter = filter;
    if (filter.reading || filter.repair || filter.change || filter.min > 0 || filter.max < 1) this.fold.open = true;
    if (key !== this.key) {
      this.key = key;
      await this.search(filter);
    }
    const sample = at ? sampleOf(at) : -1;
    const place = this.list.samples.indexOf(sample);
    if (place >= 0 && place !== this.list.chosen) {
      this.list.chosen = place;
      this.list.reveal();
      this.list.draw();
    }
    await this.show(sample);
  }
  async search(filter) {
    const round = ++this.round;
    let found = matching(filter);
    if (filter.deep && filter.q.trim()) {
      this.count.textContent = "Searching…";
      found = await searchReplies(found, filter.q, () => round !== this.round, (done, all, hits) => { this.count.textContent = `Searching… ${Math.round((100 * done) / all)} %, ${whole(hits)} found`; });
      if (found === null) return;
    }
    this.list.show(found, -1);
    this.count.textContent = found.length === store.total ? `${whole(store.total)} samples` : `${whole(found.length)} of ${whole(store.total)} samples`;
    say(this.count.textContent);
  }
  async show(sample) {
    const key = `${sample} ${state.protocol}`;
    if (key === this.open) return;
    this.open = key;
    this.node.classList.toggle("open", sample >= 0);
    if (sample < 0) {
      this.detail.replaceChildren(el("p", { class: "empty" }, "Choose a sample from the list. Keys j and k go through it, ? shows the others."));
      return;
    }
    const { task, index } = placeOf(sample);
    const view = await detailView(task, index).catch((error) => el("p", { class: "empty" }, String(error.message || error)));
    if (this.open !== key) return;
    for (const video of this.detail.querySelectorAll("video")) video.pause();
    this.detail.replaceChildren(view);
    this.detail.scrollTop = 0;
    say(`Sample ${store.lists[task].ids[index]}`);
  }
}
function debounce(act, wait) {
  let timer = 0;
  return (...values) => { clearTimeout(timer); timer = setTimeout(() => act(...values), wait); };
}
function nameOf(sample) {
  const { task, index } = placeOf(sample);
  return `${task}-${index}`;
}
function sampleOf(name) {
  const [task, index] = name.split("-").map(Number);
  return store.starts[task] !== undefined && index >= 0 && index < store.lists[task].ids.length ? store.starts[task] + index : -1;
}
function closeSample() {
  go({ at: "" });
  if (state.list) state.list.node.focus();
}
