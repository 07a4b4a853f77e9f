/* dedupe.html: pairs side by side, and what a person says of them. */
const store = new Store((entry) => JSON.stringify([entry.scan_id, entry.other_id]));
const VERDICTS = [["1", "same_print"], ["2", "same_view"], ["3", "mirrored"], ["4", "different"]];
const FILTERS = [
  ["All", () => true],
  ["Same scan", (row) => row.outcome === "same_scan"],
  ["Same print", (row) => row.outcome === "same_print"],
  ["Same view", (row) => row.outcome === "same_view" && !row.negative],
  ["Mirrored", (row) => row.outcome === "mirrored"],
  ["Different", (row) => row.outcome === "different"],
  ["Negatives", (row) => row.negative],
  ["Judged", (row) => row.by === "person" || store.get(row.key) !== null],
  ["Waiting", (row) => store.waits(row.key)],
];
const ALWAYS = new Set(["All", "Judged", "Waiting"]);
const SHOWN = /\.(jpe?g|png|webp|gif)$/i;
const still = matchMedia("(prefers-reduced-motion: reduce)");
let chosen = 0, blinking = null;

const toFields = (entry) => [entry.scan_id, entry.other_id, entry.outcome, entry.note];
for (const row of page.rows) {
  row.key = JSON.stringify([row.one, row.other]);
  row.scans = [row.one, row.other].map((id, side) => ({ id, kept: row.kept[side], ...page.scans[id] }));
  row.text = row.scans.map((scan) => `${scan.title} ${scan.id}`).join(" ").toLocaleLowerCase();
}

function sayEvidence(row) {
  if (row.negative) return "A copy negative and the colour scan of its item, whose view it takes; nothing was compared.";
  const parts = [`score ${row.score.toFixed(2)}`];
  if (row.inks) parts.push(`inks ${row.inks.toFixed(2)}`);
  parts.push(`hashes ${row.distance} bits apart`, `${row.matches} features agree`);
  if (row.differs) parts.push(`differs in ${row.differs.split(",").join(", ")}`);
  parts.push(row.by === "person" ? "decided by a person" : `margin ${row.margin.toFixed(2)}`);
  return parts.join(" · ");
}

function tagsOf(row) {
  const tags = [make("span", { class: `tag ${row.outcome}` }, words(row.outcome))], entry = store.get(row.key);
  if (row.by === "person" && !store.waits(row.key)) tags.push(make("span", { class: "tag good" }, "by a person"));
  if (store.waits(row.key)) {
    tags.push(make("span", { class: "tag wait" }, entry ? `${words(entry.outcome)}, waits` : "verdict removed, waits"));
  }
  return tags;
}

/** The two pictures: side by side, or while blinking, one over the other. */
function drawFigures(row, { large = false } = {}) {
  const laid = blinking === row.key;
  const addressOf = (scan) => {
    if (!large) return scan.picture;
    if (served) return `/scan?id=${encodeURIComponent(scan.id)}`;
    return SHOWN.test(scan.src) ? scan.src : scan.picture;
  };
  const image = (src, alt) => make("img", { src, alt, loading: large ? "eager" : "lazy", decoding: "async" });
  const caption = (scan) => make(
    "figcaption", {}, scan.title, make("small", {}, `${scan.id}${scan.kept ? " · kept" : ""}`),
  );
  const frame = (...images) => (large
    ? make("div", { class: "frame" }, ...images)
    : make("button", { type: "button", class: "frame", "aria-label": "Show the pair large", onclick: () => { leaves.go(leaves.rows.indexOf(row)); open(); } }, ...images));
  const [one, other] = row.scans;
  if (!laid) {
    return make("div", { class: "duo" }, ...row.scans.map((scan) => make(
      "figure", {}, frame(image(addressOf(scan), scan.title)), caption(scan),
    )));
  }
  const first = make("span", { class: "first" }, image(one.picture, one.title));
  const second = make("span", { class: "second" }, image(row.overlay ?? other.picture, other.title));
  const how = row.overlay ? "laid over the first" : "not laid over it: too little of the two agrees";
  return make("div", { class: "duo" }, make(
    "figure", {}, frame(first, second),
    make("figcaption", {}, `${one.title} / ${other.title}`, make("small", {}, `${one.id} / ${other.id} · ${how}`)),
  ));
}

function drawPair(row, place, { large = false } = {}) {
  const entry = store.get(row.key);
  const buttons = VERDICTS.map(([key, outcome]) => make(
    "button",
    { type: "button", "aria-pressed": String(entry?.outcome === outcome), onclick: () => { focusOn(place); judge(row, outcome); } },
    make("kbd", {}, key), words(outcome),
  ));
  const clear = make("button", { type: "button", disabled: entry === null, onclick: () => { focusOn(place); judge(row, null); } }, make("kbd", {}, "0"), "clear");
  const note = entry?.note ? [make("p", { class: "evidence" }, `Note: ${entry.note}`)] : [];
  return make(
    "article",
    { class: `pair${blinking === row.key ? " blink" : ""}`, tabindex: large ? null : "-1", "aria-label": row.scans.map((scan) => scan.title).join(" and "), onclick: large ? () => {} : () => focusOn(place, false) },
    make("header", {}, make("span", { class: "tags" }, ...tagsOf(row))),
    drawFigures(row, { large }),
    make("p", { class: "evidence" }, sayEvidence(row)), ...note,
    ...(row.negative ? [] : [make("div", { class: "verdicts", role: "group", "aria-label": "Verdict" }, ...buttons, clear)]),
  );
}

const leaves = new Leaves(12, drawPair);
const view = $("#view");

function focusOn(place) {
  if (leaves.here !== place) { leaves.here = place; leaves.mark(); }
}

function refresh({ stay = false } = {}) {
  const rows = search(page.rows, $("#search").value).filter(FILTERS[chosen][1]);
  const here = stay ? rows.indexOf(leaves.row) : 0;
  leaves.show(rows, here < 0 ? Math.min(leaves.here, rows.length - 1) : here);
}

function drawFilters() {
  const shown = FILTERS.map(([name, test], number) => [name, page.rows.filter(test).length, number]);
  refill($("#filters"), ...shown
    .filter(([name, count]) => count || ALWAYS.has(name))
    .map(([name, count, number]) => make(
      "button",
      { type: "button", "aria-pressed": String(number === chosen), onclick: () => filter(number) },
      `${name} ${count.toLocaleString("en")}`,
    )));
}

function filter(number) { chosen = number; drawFilters(); refresh(); }

function filterNext() {
  const buttons = [...$("#filters").children];
  const now = buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true");
  buttons[(now + 1) % buttons.length].click();
}

function redraw() {
  drawFilters();
  leaves.redraw();
  if (view.open) drawLarge();
  else leaves.go(leaves.here);
}

/** Save a verdict; null takes it back. */
async function judge(row, outcome, note = store.get(row.key)?.note ?? "") {
  const standing = store.get(row.key);
  if (outcome === null && standing === null) return;
  if (row.negative) { say("A negative takes the view of its item; there is nothing to judge."); return; }
  const entry = { scan_id: row.one, other_id: row.other, outcome: outcome ?? standing.outcome, note };
  try {
    say(await store.save(outcome === null ? { ...entry, gone: true } : entry));
  } catch (error) {
    say(`Not saved: ${error.message}`, true);
  }
  redraw();
}

function writeNote(row) {
  const standing = store.get(row.key);
  if (!standing) { say("First a verdict, then a note to it."); return; }
  const text = prompt("Note to this verdict", standing.note);
  if (text !== null) judge(row, standing.outcome, text.replace(/\s+/g, " ").trim().slice(0, 500));
}

function blink() {
  const row = leaves.row;
  if (!row) return;
  const shown = document.body.classList;
  if (blinking === row.key && still.matches && !document.querySelector(".blink.swap")) { swap(); return; }
  blinking = blinking === row.key ? null : row.key;
  shown.toggle("blinks", blinking !== null);
  redraw();
}

function swap() { for (const pair of document.querySelectorAll(".blink")) pair.classList.toggle("swap"); }
setInterval(() => { if (blinking && !still.matches) swap(); }, 650);

function drawLarge() {
  const row = leaves.row;
  $("#name").textContent = row.scans[0].title === row.scans[1].title ? row.scans[0].title : row.scans.map((scan) => scan.title).join(" / ");
  refill($("#large"), drawPair(row, leaves.here, { large: true }));
  $("#prev").disabled = leaves.here === 0;
  $("#next").disabled = leaves.here === leaves.rows.length - 1;
}

function open() {
  if (!leaves.row) return;
  if (!view.open) view.showModal();
  drawLarge();
  $("#close").focus();
}

function step(by) {
  leaves.go(leaves.here + by, { focus: false });
  drawLarge();
}

document.addEventListener("keydown", (event) => {
  if ($("#help").open || isChord(event) || isTyping(event.target)) return;
  const acts = {
    b: blink, n: () => leaves.row && writeNote(leaves.row), "?": () => $("#help").showModal(),
    0: () => leaves.row && judge(leaves.row, null),
  };
  for (const [key, outcome] of VERDICTS) acts[key] = () => leaves.row && judge(leaves.row, outcome);
  if (view.open) {
    Object.assign(acts, { j: () => step(1), k: () => step(-1), ArrowRight: () => step(1), ArrowLeft: () => step(-1) });
  } else Object.assign(acts, { "/": () => $("#search").focus(), f: filterNext });
  if (event.key in acts) acts[event.key]();
  else if (view.open) return;
  else if (event.key === "Enter" && !event.target.closest("button, a, summary")) open();
  else if (!leaves.key(event.key)) return;
  event.preventDefault();
});

$("#blink").addEventListener("click", blink);
$("#prev").addEventListener("click", () => step(-1));
$("#next").addEventListener("click", () => step(1));
$("#close").addEventListener("click", () => view.close());
view.addEventListener("close", () => { leaves.redraw(); leaves.go(leaves.here); });

store.listeners.push(() => { showNotice(store, toFields, "dedupe"); });
wire(leaves, refresh);
drawFilters();
refresh();
store.load()
  .catch((error) => say(`The verdicts could not be read: ${error.message}`, true))
  .finally(() => { drawFilters(); refresh({ stay: true }); });
