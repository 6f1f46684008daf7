// One sample: media, question, truth, and each run's reply with its thinking folded.
async function detailView(task, index) {
  const row = await rowOf(task, index);
  state.overlays = [];
  const about = summary.tasks[task];
  const list = store.lists[task];
  return el("div", { class: "inner" },
    el("div", { class: "steps" },
      el("button", { type: "button", class: "back", on: { click: closeSample } }, "Back"),
      el("h1", { id: "sample-title", tabindex: -1 }, `${taskName(about)}, sample ${list.ids[index]}`),
      el("button", { type: "button", on: { click: () => state.list.step(-1) } }, "Previous"),
      el("button", { type: "button", on: { click: () => state.list.step(1) } }, "Next")),
    await mediaView(row),
    el("p", { class: "question", id: "question" }, row.question || "(no question)"),
    row.options ? el("ul", { class: "options" }, row.options.map((option) => el("li", { class: isTruth(option, row.truth) ? "right" : "" }, option, isTruth(option, row.truth) ? el("span", { class: "hidden" }, " (truth)") : null))) : null,
    el("section", { class: "card reply of-truth", "aria-label": "Truth" }, el("h2", null, "Truth"), el("pre", { class: "answer", id: "truth" }, untagged(row.truth || ""))),
    el("div", { class: two ? "columns two" : "columns" }, row.replies.map((reply, run) => replyView(reply, run, task, index))),
    el("details", null, el("summary", null, "Record"), factList(Object.entries(row.facts))));
}
const untagged = (text) => {
  const found = /<answer>([\s\S]*?)<\/answer>/i.exec(text);
  return (found ? found[1] : text).trim();
};
const sameWords = (one, other) => one.replace(/\s+/g, "") === other.replace(/\s+/g, "");
function isTruth(option, truth) {
  const letter = untagged(truth || "").trim().toUpperCase();
  return letter.length === 1 && option.trim().toUpperCase().startsWith(letter) && /^.[.):\s]/.test(option.trim() + " ");
}

function replyView(reply, run, task, index) {
  const name = two ? summary.runs[run].name : "Reply";
  const frame = (...children) => el("section", { class: `card reply of-${run}`, "aria-label": name }, el("h2", null, name), children);
  if (!reply) return frame(el("p", { class: "note" }, "This run does not have the sample."));
  const parts = verdict(reply, run, task, index);
  if (reply.error !== undefined) return frame(parts, el("p", { class: "bad" }, reply.error));
  const raw = `<think>${reply.thinking || ""}</think><answer>${reply.answer}</answer>`;
  return frame(parts,
    reply.thinking ? el("details", { class: "thinking" }, el("summary", null, `Thinking, ${whole(reply.thinking.length)} characters`), el("pre", null, reply.thinking)) : null,
    el("h3", null, "Answer"),
    el("pre", { class: "answer" }, reply.answer || "(no answer found)"),
    !sameWords(reply.text, raw) && !sameWords(reply.text, reply.answer) ? el("details", null, el("summary", null, "Whole reply"), el("pre", null, reply.text)) : null,
    reply.cut ? el("p", { class: "note" }, `Cut here: the reply has ${whole(reply.cut)} characters.`) : null,
    reply.segmenter ? el("p", { class: "note" }, `Masks by ${reply.segmenter}`) : null,
    el("p", { class: "note" }, cost(reply)));
}
function verdict(reply, run, task, index) {
  const columns = scoresOf(task, run);
  if (!columns) return null;
  const outcome = summary.outcomes[columns.outcome[index]];
  const reason = store.lists[task].reasons[columns.reason[index]];
  const repairs = reply.repairs || [];
  const components = (reply.parts || {})[state.protocol] || {};
  return [el("p", null, outcome === "scored" ? el("b", { class: "value" }, `${number(columns.value[index], 3)} `) : el("b", { class: "bad" }, `${outcome} `),
    el("span", { class: "chip" }, `read as ${summary.readings[columns.reading[index]]}`), reason ? ` ${reason}${summary.failureMeanings[reason] ? `: ${summary.failureMeanings[reason]}` : ""}` : null),
    el("div", { class: "parts" }, Object.entries(components).map(([name, value]) => el("span", null, `${name} `, el("b", null, number(value, 3))))),
    repairs.length ? el("p", { class: "note" }, "Mended by the patient reader: ", repairs.map((repair) => el("span", { class: "chip", title: summary.repairMeanings[repair] || "" }, repair))) : null];
}
function cost(reply) {
  const [into, out] = reply.tokens || [];
  return [reply.seconds !== null && reply.seconds !== undefined ? `${number(reply.seconds, 2)} s` : "", into ? `${whole(into)} tokens in` : "", out ? `${whole(out)} tokens out` : ""].filter(Boolean).join(", ");
}
