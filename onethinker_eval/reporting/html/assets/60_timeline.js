// Spans under a video: a line for the truth and for each answer, a play head, click or arrow keys to move.
class Timeline {
  constructor(video, layers, duration) {
    this.video = video;
    this.layers = layers.filter((layer) => layer.shapes.span || layer.shapes.boxes || layer.shapes.time !== undefined || layer.shapes.masks);
    this.duration = duration;
    this.node = el("div", { class: "timeline", role: "slider", tabindex: 0, "aria-label": "Time", "aria-valuemin": 0 });
    this.node.addEventListener("pointerdown", (event) => { this.node.setPointerCapture(event.pointerId); this.seek(event); });
    this.node.addEventListener("pointermove", (event) => { if (event.buttons) this.seek(event); });
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.draw();
  }
  get length() {
    return (Number.isFinite(this.video.duration) && this.video.duration) || this.duration || 1;
  }
  x(time) {
    return Math.max(0, Math.min(1000, (time / this.length) * 1000));
  }
  draw() {
    const step = 16;
    const height = Math.max(1, this.layers.length) * step + 22;
    const blank = this.layers.length ? [] : [svg("rect", { x: 0, y: 2, width: 1000, height: step - 5, fill: "var(--fill)", rx: 2 })];
    const rows = this.layers.map((layer, place) => {
      const y = place * step + 2;
      const tone = `var(--${layer.name})`;
      const { span, boxes, time, shift, masks, rate } = layer.shapes;
      const marks = [svg("rect", { x: 0, y, width: 1000, height: step - 5, fill: "var(--fill)", rx: 2 })];
      if (masks) for (const [at] of masks) marks.push(svg("rect", { x: this.x(at / rate), y: y + 3, width: Math.max(1, this.x(1 / rate) - 1), height: step - 11, fill: tone, opacity: 0.5 }));
      if (span) marks.push(svg("rect", { x: this.x(span[0]), y, width: Math.max(3, this.x(span[1]) - this.x(span[0])), height: step - 5, fill: tone, rx: 2 }, svg("title", null, `${layer.label}: ${span[0]} to ${span[1]} s`)));
      for (const key of Object.keys(boxes || {})) marks.push(svg("rect", { x: this.x(Number(key) - (shift || 0)), y: span ? y + 3 : y, width: 3, height: span ? step - 11 : step - 5, fill: span ? "var(--card)" : tone }));
      if (time !== undefined) marks.push(svg("rect", { x: Math.min(994, this.x(time)) - 4, y: y - 2, width: 8, height: step - 1, rx: 2, fill: tone }));
      return marks;
    });
    this.head = svg("line", { x1: 0, x2: 0, y1: 0, y2: height - 18, stroke: "var(--ink)", "stroke-width": 2, "vector-effect": "non-scaling-stroke" });
    const bars = svg("svg", { viewBox: `0 0 1000 ${height - 18}`, height: height - 18, preserveAspectRatio: "none", "aria-hidden": "true" }, blank, rows, this.head);
    this.clock = el("span", { class: "range" });
    this.node.replaceChildren(bars, this.clock);
    this.node.setAttribute("aria-valuemax", this.length.toFixed(2));
    this.move();
  }
  move() {
    const at = this.video.currentTime;
    this.head.setAttribute("x1", this.x(at));
    this.head.setAttribute("x2", this.x(at));
    this.clock.textContent = `${at.toFixed(1)} of ${this.length.toFixed(1)} s`;
    this.node.setAttribute("aria-valuenow", at.toFixed(2));
    this.node.setAttribute("aria-valuetext", `${at.toFixed(1)} seconds`);
  }
  seek(event) {
    const area = this.node.getBoundingClientRect();
    this.video.currentTime = Math.max(0, Math.min(1, (event.clientX - area.left) / area.width)) * this.length;
  }
  key(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageDown: -5, PageUp: 5, Home: -Infinity, End: Infinity };
    if (!(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    this.video.currentTime = Math.max(0, Math.min(this.length, this.video.currentTime + steps[event.key]));
  }
}
