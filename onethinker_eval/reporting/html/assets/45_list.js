// A list of any length: only the rows in view exist.
const ROW = 58;

class SampleList {
  constructor(open) {
    this.samples = [];
    this.chosen = -1;
    this.open = open;
    this.tall = el("div", { class: "tall", role: "presentation" });
    this.node = el("div", { class: "list", id: "list", role: "listbox", tabindex: 0, "aria-label": "Samples" }, this.tall);
    this.node.addEventListener("scroll", () => this.draw(), { passive: true });
    this.node.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.node);
  }
  show(samples, sample) {
    this.samples = samples;
    this.chosen = samples.indexOf(sample);
    this.tall.style.height = `${samples.length * ROW}px`;
    this.drawn = "";
    if (this.chosen >= 0) this.reveal();
    else this.node.scrollTop = 0;
    this.draw();
  }
  draw() {
    const first = Math.max(0, Math.floor(this.node.scrollTop / ROW) - 4);
    const last = Math.min(this.samples.length, Math.ceil((this.node.scrollTop + this.node.clientHeight) / ROW) + 4);
    const key = `${first} ${last} ${this.chosen} ${state.protocol}`;
    if (key === this.drawn) return;
    this.drawn = key;
    const rows = [];
    for (let place = first; place < last; place += 1) rows.push(this.row(place));
    this.tall.replaceChildren(...rows);
    if (!this.samples.length) this.tall.append(el("p", { class: "empty" }, "No sample fits these filters."));
    if (this.chosen >= 0) this.node.setAttribute("aria-activedescendant", `row-${this.chosen}`);
    else this.node.removeAttribute("aria-activedescendant");
  }
  row(place) {
    const { task, index } = placeOf(this.samples[place]);
    const list = store.lists[task];
    const badges = summary.runs.map((_, run) => {
      const columns = scoresOf(task, run);
      const outcome = columns ? summary.outcomes[columns.outcome[index]] : "absent";
      const repaired = list.repairs[run][index] ? el("span", { class: "chip" }, "repaired") : null;
      return [two ? null : repaired, el("span", { class: `score of-${run}`, title: outcome }, outcome === "scored" ? number(columns.value[index], 2) : outcome === "absent" ? "–" : outcome)];
    });
    return el("div", { class: "row", role: "option", id: `row-${place}`, "aria-selected": place === this.chosen ? "true" : "false", "aria-setsize": this.samples.length, "aria-posinset": place + 1,
      style: { top: `${place * ROW}px` }, on: { click: () => this.choose(place) } },
      el("div", { class: "top" }, el("span", { class: "name" }, `${summary.tasks[task].name} ${list.ids[index]}`), badges),
      el("div", { class: "text" }, list.questions[index] || "(no question)"));
  }
  reveal() {
    const top = this.chosen * ROW;
    if (top < this.node.scrollTop) this.node.scrollTop = top;
    else if (top + ROW > this.node.scrollTop + this.node.clientHeight) this.node.scrollTop = top + ROW - this.node.clientHeight;
  }
  choose(place) {
    if (place < 0 || place >= this.samples.length) return;
    this.chosen = place;
    this.reveal();
    this.draw();
    this.open(this.samples[place]);
  }
  step(by) {
    this.choose(this.chosen < 0 ? 0 : Math.max(0, Math.min(this.samples.length - 1, this.chosen + by)));
  }
  key(event) {
    const page = Math.max(1, Math.floor(this.node.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      event.stopPropagation();
      this.step(steps[event.key]);
    }
  }
}
