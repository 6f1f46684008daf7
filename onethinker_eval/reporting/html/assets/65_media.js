// Images and videos of a sample, what is drawn on them, and their controls.
function layersOf(row) {
  const layers = [];
  if (row.shapes) layers.push({ ...LAYERS[0], label: "truth", shapes: row.shapes });
  row.replies.forEach((reply, run) => {
    if (reply && reply.shapes) layers.push({ ...LAYERS[run + 1], label: two ? summary.runs[run].name : "answer", shapes: reply.shapes });
  });
  return layers;
}

async function mediaView(row) {
  const node = el("div", { class: "media" });
  const layers = layersOf(row);
  const media = row.media || [];
  for (const [place, [kind, index]] of media.entries()) {
    const url = await mediaUrl(index);
    if (!url) {
      node.append(el("p", { class: "note" }, summary.media.some(([type]) => type) ? `The ${kind} is missing or of an unknown form.` : "Media are left out of this report."));
      continue;
    }
    // Shapes belong to the one medium there is, or to the video beside an image.
    const drawn = media.length === 1 || (kind === "video" && media.filter(([other]) => other === "video").length === 1) ? layers : [];
    node.append(kind === "video" ? videoStage(url, drawn, row) : imageStage(url, drawn, place));
  }
  return node;
}
function sized(shape, width, height) {
  // Small pictures are enlarged: boxes on 160 pixels are hard to see.
  const most = Math.max(width, Math.min(560, width * 4));
  const tallest = Math.max(260, window.innerHeight * 0.56);
  shape.style.setProperty("width", `${Math.round(Math.min(most, (tallest * width) / height))}px`);
}
function imageStage(url, layers, place) {
  const image = el("img", { alt: `Image ${place + 1} of the sample` });
  const canvas = el("canvas", { role: "img" });
  const overlay = new Overlay(canvas, layers);
  canvas.setAttribute("aria-label", overlay.words() || "nothing drawn");
  const stage = el("div", { class: "stage" }, image, layers.length ? canvas : null);
  image.addEventListener("load", () => { sized(image, image.naturalWidth, image.naturalHeight); overlay.draw(); });
  image.addEventListener("error", () => stage.replaceWith(el("p", { class: "note" }, "The image cannot be shown.")));
  image.src = url;
  new ResizeObserver(() => overlay.draw()).observe(stage);
  return el("div", null, stage, layers.length ? tools(overlay, []) : null);
}
function videoStage(url, layers, row) {
  const video = el("video", { playsinline: true, preload: "auto", "aria-label": "Video of the sample" });
  video.muted = true;
  const canvas = el("canvas", { role: "img" });
  const overlay = new Overlay(canvas, layers);
  canvas.setAttribute("aria-label", overlay.words() || "nothing drawn");
  const stage = el("div", { class: "stage" }, video, layers.length ? canvas : null);
  const timeline = new Timeline(video, layers, Number(row.facts.duration_s) || null);
  let end = null;
  const moved = () => {
    overlay.time = video.currentTime;
    if (end !== null && video.currentTime >= end) { video.pause(); end = null; }
    overlay.draw();
    timeline.move();
  };
  const follow = () => { moved(); if (!video.paused && video.isConnected) requestAnimationFrame(follow); };
  video.addEventListener("loadedmetadata", () => { sized(video, video.videoWidth || 16, video.videoHeight || 9); fit(); timeline.draw(); moved(); });
  for (const event of ["seeked", "timeupdate"]) video.addEventListener(event, moved);
  const play = el("button", { type: "button", class: "play", on: { click: () => toggle() } }, "Play");
  const toggle = () => { end = null; if (video.paused) video.play(); else video.pause(); };
  video.addEventListener("click", toggle);
  video.addEventListener("play", () => { play.textContent = "Pause"; follow(); });
  video.addEventListener("pause", () => { play.textContent = "Play"; });
  const speed = el("select", { "aria-label": "Speed", on: { change: () => { video.playbackRate = Number(speed.value); } } },
    [0.25, 0.5, 1, 2, 4].map((rate) => el("option", { value: rate, selected: rate === 1 }, `${rate}×`)));
  video.addEventListener("error", () => stage.replaceWith(el("p", { class: "note" }, "This browser cannot play the video.")));
  const fit = () => timeline.node.style.setProperty("width", `${stage.clientWidth}px`);
  new ResizeObserver(() => { fit(); overlay.draw(); }).observe(stage);
  video.src = url;
  const spans = layers.filter((layer) => layer.shapes.span).map((layer) => el("button", { type: "button", on: { click: () => {
    const [from, to] = layer.shapes.span;
    video.currentTime = Math.max(0, from);
    end = Math.max(to, from + 0.2);
    video.play();
  } } }, `Play ${layer.label === "truth" ? "the truth" : layer.label === "answer" ? "the answer" : layer.label}`));
  return el("div", null, stage, timeline.node, tools(overlay, [play, spans, speed]));
}
function tools(overlay, buttons) {
  state.overlays.push(overlay);
  overlay.all = state.drawn;
  return el("div", { class: "tools" }, overlay.layers.map((layer, place) => el("label", null,
    el("input", { type: "checkbox", checked: true, on: { change: (event) => { overlay.shown[place] = event.target.checked; overlay.draw(); } } }),
    el("i", { style: { "border-top-color": rgb(layer.tone), "border-top-style": place ? (place === 1 ? "dashed" : "dotted") : "solid" } }), layer.label)), buttons);
}
