// Reading the data blocks: base64 → gzip → JSON, each when it is first needed.
const ready = new Promise((done) => {
  if (document.readyState !== "loading") done();
  else document.addEventListener("DOMContentLoaded", () => done(), { once: true });
});

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return bytes;
}
async function block(name) {
  let node = byId(name);
  if (!node) {
    await ready;
    node = byId(name);
  }
  if (!node) throw new Error(`the file holds no ${name}: it may be cut off`);
  const stream = new Blob([bytesOf(node.textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// The lists of all tasks, as one run of sample numbers 0 … total − 1.
const store = { lists: [], starts: [], total: 0, loaded: null };
function loadLists(progress) {
  store.loaded = store.loaded || (async () => {
    let start = 0;
    for (let i = 0; i < summary.tasks.length; i += 1) {
      const list = await block(`list-${i}`);
      store.lists.push(list);
      store.starts.push(start);
      start += list.ids.length;
      if (progress) progress(i + 1, summary.tasks.length);
    }
    store.total = start;
  })();
  return store.loaded;
}
function placeOf(sample) {
  let low = 0;
  let high = store.starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (store.starts[middle] <= sample) low = middle;
    else high = middle - 1;
  }
  return { task: low, index: sample - store.starts[low] };
}
function scoresOf(task, run) {
  const found = store.lists[task].scores[state.protocol];
  return found ? found[run] : null;
}

// Rows of single samples, a block at a time; the last few blocks stay.
const rowBlocks = new Map();
function rowBlock(task, number) {
  const name = `rows-${task}-${number}`;
  if (!rowBlocks.has(name)) {
    rowBlocks.set(name, block(name));
    if (rowBlocks.size > 12) rowBlocks.delete(rowBlocks.keys().next().value);
  }
  return rowBlocks.get(name);
}
async function rowOf(task, index) {
  const starts = summary.layout[summary.tasks[task].id];
  let number = 0;
  while (number + 1 < starts.length && starts[number + 1] <= index) number += 1;
  return (await rowBlock(task, number))[index - starts[number]];
}

// Media: a blob for an embedded one, else an address beside the file or at the local server.
const served = document.documentElement.dataset.served === "1";
const mediaUrls = new Map();
async function mediaUrl(number) {
  const [type, beside] = summary.media[number] || [null, ""];
  if (!type) return null;
  if (!mediaUrls.has(number)) {
    if (served && beside) mediaUrls.set(number, `media/${number}`);
    else if (beside) mediaUrls.set(number, beside);
    else {
      await ready;
      const node = byId(`media-${number}`);
      if (!node) return null;
      mediaUrls.set(number, URL.createObjectURL(new Blob([bytesOf(node.textContent)], { type })));
    }
  }
  return mediaUrls.get(number);
}
