// Which samples are shown, and in which order. Everything a filter says stands in the address.
const CHANGES = { "": "all", better: "second run better", worse: "second run worse", flipped: "flipped", tie: "alike" };
const SORTS = { order: "as in the data", low: "lowest score", high: "highest score", ...(two ? { gain: "largest gain", loss: "largest loss" } : {}) };

function filterOf(query) {
  const text = (name) => query.get(name) || "";
  const limit = (name, usual) => (query.get(name) === null || query.get(name) === "" || Number.isNaN(Number(query.get(name))) ? usual : Number(query.get(name)));
  return { task: text("task"), outcome: text("outcome"), reading: text("reading"), repair: text("repair"), change: text("change"),
    q: text("q"), deep: text("deep") === "1", sort: text("sort") || "order", min: limit("min", 0), max: limit("max", 1), run: Math.min(summary.runs.length - 1, limit("run", 0)) };
}

const flipped = {};
function flippedSet(taskId) {
  const key = `${state.protocol} ${taskId}`;
  if (!flipped[key]) {
    const found = (summary.comparisons[state.protocol] || {})[taskId];
    flipped[key] = new Set(found ? found.flips : []);
  }
  return flipped[key];
}

function changeFits(filter, task, index) {
  const [one, other] = [scoresOf(task, 0), scoresOf(task, 1)];
  if (!one || !other || one.value[index] === null || other.value[index] === null) return false;
  const gain = other.value[index] - one.value[index];
  if (filter.change === "better") return gain > 1e-9;
  if (filter.change === "worse") return gain < -1e-9;
  if (filter.change === "tie") return Math.abs(gain) <= 1e-9;
  return flippedSet(summary.tasks[task].id).has(store.lists[task].ids[index]);
}

// Numbers of the samples that fit, before any search in whole replies.
function matching(filter) {
  const found = [];
  const words = filter.deep ? "" : filter.q.trim().toLowerCase();
  summary.tasks.forEach((task, place) => {
    if (filter.task && task.id !== filter.task) return;
    const list = store.lists[place];
    const columns = scoresOf(place, filter.run);
    const outcome = filter.outcome ? summary.outcomes.indexOf(filter.outcome) : -1;
    const reading = filter.reading ? summary.readings.indexOf(filter.reading) : -1;
    const sets = list.repairSets.map((set) => !filter.repair || (filter.repair === "any" ? set.length > 0 : set.includes(filter.repair)));
    const ranged = filter.min > 0 || filter.max < 1;
    if (words && !list.haystack) list.haystack = list.ids.map((id, i) => [id, list.questions[i], ...list.answers.map((texts) => texts[i])].join("\n").toLowerCase());
    for (let i = 0; i < list.ids.length; i += 1) {
      if (outcome >= 0 && (!columns || columns.outcome[i] !== outcome)) continue;
      if (reading >= 0 && (!columns || columns.reading[i] !== reading || columns.outcome[i] > 1)) continue;
      if (ranged && (!columns || columns.value[i] === null || columns.value[i] < filter.min || columns.value[i] > filter.max)) continue;
      if (filter.repair && !sets[list.repairs[filter.run][i]]) continue;
      if (filter.change && two && !changeFits(filter, place, i)) continue;
      if (words && !list.haystack[i].includes(words)) continue;
      found.push(store.starts[place] + i);
    }
  });
  return sorted(found, filter);
}

function sorted(found, filter) {
  if (filter.sort === "order" || !SORTS[filter.sort]) return found;
  const keys = new Map();
  for (const sample of found) {
    const { task, index } = placeOf(sample);
    const values = summary.runs.map((_, run) => { const columns = scoresOf(task, run); return columns ? columns.value[index] : null; });
    let key = values[filter.run];
    if (filter.sort === "gain" || filter.sort === "loss") key = values[0] === null || values[1] === null ? null : values[1] - values[0];
    keys.set(sample, key);
  }
  const way = filter.sort === "low" || filter.sort === "loss" ? 1 : -1;
  const rank = (sample) => (keys.get(sample) === null ? Infinity : way * keys.get(sample));
  return found.sort((a, b) => rank(a) - rank(b) || a - b);
}

// The same words in whole replies, thinking included: block by block, so that the page stays fluid.
async function searchReplies(samples, words, stopped, progress) {
  const wanted = words.trim().toLowerCase();
  if (!wanted) return samples;
  const groups = new Map();
  for (const sample of samples) {
    const { task, index } = placeOf(sample);
    const starts = summary.layout[summary.tasks[task].id];
    let number = 0;
    while (number + 1 < starts.length && starts[number + 1] <= index) number += 1;
    const key = `${task}-${number}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push([sample, index - starts[number]]);
  }
  const fits = new Set();
  let done = 0;
  for (const [key, members] of groups) {
    if (stopped()) return null;
    const rows = await block(`rows-${key}`);
    for (const [sample, at] of members) {
      const row = rows[at];
      const texts = [row.question, row.truth, ...row.replies.map((reply) => (reply ? reply.text || reply.error : ""))];
      if (texts.some((text) => text && text.toLowerCase().includes(wanted))) fits.add(sample);
    }
    done += 1;
    progress(done, groups.size, fits.size);
    await new Promise((go) => setTimeout(go));
  }
  return samples.filter((sample) => fits.has(sample));
}
