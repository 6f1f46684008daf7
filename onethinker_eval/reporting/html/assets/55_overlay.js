// Boxes, points and masks on top of an image or a video, truth and answers in fixed colours.
const LAYERS = [{ name: "truth", tone: [31, 200, 120], dash: [] }, { name: "first", tone: [77, 141, 255], dash: [9, 4] }, { name: "second", tone: [255, 140, 30], dash: [3, 3] }];
const rgb = (tone) => `rgb(${tone.join(",")})`;

function boxAt(shapes, time) {
  if (shapes.box && (shapes.time === undefined || time === null || Math.abs(time - shapes.time) <= 0.5)) return shapes.box;
  if (!shapes.boxes || time === null) return null;
  const at = time + (shapes.shift || 0);
  const low = shapes.boxes[Math.floor(at)];
  const high = shapes.boxes[Math.floor(at) + 1];
  // Between two whole seconds the box moves straight from one to the next.
  if (low && high) return low.map((value, i) => value + (high[i] - value) * (at - Math.floor(at)));
  return low || (at > Math.floor(at) + 0.5 ? high : null) || null;
}
function maskAt(shapes, time) {
  if (shapes.mask) return shapes.mask;
  if (!shapes.masks || time === null) return null;
  const place = Math.floor(time * shapes.rate + 0.01);
  let found = null;
  for (const [at, rle] of shapes.masks) {
    if (at === place) return rle;
    if (at <= place) found = [at, rle];
  }
  // Past the last frame the last mask stays; a frame in between without a mask shows none.
  const last = shapes.masks[shapes.masks.length - 1];
  return found && found[0] === last[0] && place - last[0] <= 1 ? found[1] : null;
}

class Overlay {
  constructor(canvas, layers) {
    this.canvas = canvas;
    this.layers = layers;
    this.shown = layers.map(() => true);
    this.all = true;
    this.time = null;
    this.tints = new WeakMap();
  }
  tinted(rle, tone) {
    if (!this.tints.has(rle)) this.tints.set(rle, maskCanvas(rle, ...tone));
    return this.tints.get(rle);
  }
  draw() {
    const wide = this.canvas.clientWidth;
    const tall = this.canvas.clientHeight;
    if (!wide || !tall) return;
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(wide * ratio) || this.canvas.height !== Math.round(tall * ratio)) {
      this.canvas.width = Math.round(wide * ratio);
      this.canvas.height = Math.round(tall * ratio);
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, wide, tall);
    if (!this.all) return;
    this.layers.forEach((layer, place) => {
      if (!this.shown[place]) return;
      const mask = maskAt(layer.shapes, this.time);
      const tint = mask && this.tinted(mask, layer.tone);
      context.imageSmoothingEnabled = false;
      if (tint) context.drawImage(tint, 0, 0, wide, tall);
    });
    // Shades first: where boxes coincide, each colour shows through the gaps of the next.
    for (const shade of [true, false]) this.layers.forEach((layer, place) => { if (this.shown[place]) this.outline(context, layer, wide, tall, shade); });
  }
  outline(context, layer, wide, tall, shade) {
    const { shapes } = layer;
    const box = boxAt(shapes, this.time);
    const spot = ([x, y]) => [(x * wide) / 1000, (y * tall) / 1000];
    if (box) {
      const [x1, y1] = spot(box);
      const [x2, y2] = spot([box[2], box[3]]);
      context.strokeStyle = shade ? "rgba(0,0,0,.5)" : rgb(layer.tone);
      context.lineWidth = shade ? 5 : 3;
      context.setLineDash(shade ? [] : layer.dash);
      context.strokeRect(x1, y1, x2 - x1, y2 - y1);
      context.setLineDash([]);
    }
    if (shapes.time !== undefined && this.time !== null && Math.abs(this.time - shapes.time) > 0.5) return;
    for (const [points, plus] of [[shapes.positive, true], [shapes.negative, false]]) {
      for (const point of points || []) this.point(context, spot(point), shade ? "rgba(0,0,0,.7)" : rgb(layer.tone), plus, shade ? 5.5 : 3);
    }
  }
  point(context, [x, y], style, plus, width) {
    const arm = plus ? [[-6, 0, 6, 0], [0, -6, 0, 6]] : [[-5, -5, 5, 5], [-5, 5, 5, -5]];
    context.strokeStyle = style;
    context.lineWidth = width;
    context.beginPath();
    for (const [a, b, c, d] of arm) {
      context.moveTo(x + a, y + b);
      context.lineTo(x + c, y + d);
    }
    context.stroke();
  }
  words() {
    const tell = (shapes) => [shapes.box && `box ${shapes.box.map(Math.round).join(", ")}`, shapes.boxes && `${Object.keys(shapes.boxes).length} boxes over time`,
      shapes.positive && shapes.positive.length && `${shapes.positive.length} positive points`, shapes.negative && shapes.negative.length && `${shapes.negative.length} negative points`,
      shapes.mask && "a mask", shapes.masks && `masks of ${shapes.masks.length} frames`].filter(Boolean).join(", ");
    return this.layers.map((layer) => `${layer.label}: ${tell(layer.shapes) || "nothing drawn"}`).join("; ");
  }
}
