// COCO run lengths to pixels. Lengths run down the columns, background first.
const MOST_PIXELS = 1 << 26;

function runLengths(counts) {
  if (Array.isArray(counts)) return counts;
  const lengths = [];
  let at = 0;
  while (at < counts.length) {
    let value = 0;
    let shift = 0;
    let more = true;
    while (more && at < counts.length && shift < 30) {
      const code = counts.charCodeAt(at) - 48;
      at += 1;
      value |= (code & 31) << shift;
      more = (code & 32) !== 0;
      shift += 5;
      if (!more && code & 16) value |= -1 << shift;
    }
    if (lengths.length > 2) value += lengths[lengths.length - 2];
    if (value < 0) return [];
    lengths.push(value);
  }
  return lengths;
}

// A canvas of the mask's own size, tinted; null for run lengths that make no mask.
function maskCanvas(rle, red, green, blue) {
  const [height, width] = rle.size.map(Number);
  if (!(height > 0 && width > 0 && height * width <= MOST_PIXELS)) return null;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const inside = new Uint8Array(width * height);
  let at = 0;
  let on = false;
  for (const length of runLengths(rle.counts)) {
    if (on) inside.fill(1, at, at + length);
    at += length;
    on = !on;
    if (at > inside.length) return null;
  }
  for (let x = 0; x < width; x += 1) {
    for (let y = 0; y < height; y += 1) {
      if (!inside[x * height + y]) continue;
      const edge = x === 0 || y === 0 || x === width - 1 || y === height - 1 || !inside[(x - 1) * height + y] || !inside[(x + 1) * height + y] || !inside[x * height + y - 1] || !inside[x * height + y + 1];
      const spot = (y * width + x) * 4;
      image.data[spot] = red;
      image.data[spot + 1] = green;
      image.data[spot + 2] = blue;
      image.data[spot + 3] = edge ? 255 : 95;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
