/* crops.html: the sheet of crops, and the one that is open. */
const store = new Store((entry) => entry.scan_id);
const drafts = new Map();
const FILTERS = [
  ["All", () => true],
  ["Flagged", (row) => row.flagged],
  ["Corrected", (row) => store.get(row.id) !== null],
  ["Waiting", (row) => store.waits(row.id)],
];
let chosen = 0;

const toFields = (entry) => [entry.scan_id, entry.sha256, ...entry.corners, entry.note];
page.rows.forEach((row, place) => {
  row.place = place;
  row.text = `${row.title} ${row.id}`.toLocaleLowerCase();
});

/** The thumbnail of a row, cut from its contact sheet. */
function makeThumb(row) {
  const { sheets, columns, rows, width, height, side, inset, count } = page.sprites;
  const per = columns * rows, sheet = Math.floor(row.place / per), cell = row.place % per;
  const lines = Math.ceil(Math.min(per, count - sheet * per) / columns);
  const [wide, tall] = [columns * width, lines * height];
  const x = (cell % columns) * width + inset, y = Math.floor(cell / columns) * height + inset;
  return make("span", {
    class: "thumb",
    style: `background-image:url(${sheets[sheet]});background-size:${(100 * wide) / side}% ${(100 * tall) / side}%;` +
      `background-position:${(100 * x) / (wide - side)}% ${(100 * y) / (tall - side)}%`,
  });
}

function tagsOf(row) {
  const tags = [], entry = store.get(row.id);
  if (row.state === "unreadable") tags.push(["bad", words(row.reason)]);
  else if (row.flagged) tags.push(["bad", row.reason === "low_confidence" ? "flagged" : words(row.reason)]);
  if (drafts.has(row.id)) tags.push(["wait", "not saved"]);
  if (store.waits(row.id)) tags.push(["wait", entry ? "corrected, waits" : "removed, waits"]);
  else if (row.reason === "corrected") tags.push(["good", "corrected"]);
  else if (row.reason === "no_mount") tags.push(["", "no mount"]);
  if (row.caption.length) tags.push(["", "caption"]);
  return tags.map(([kind, text]) => make("span", { class: `tag ${kind}` }, text));
}

function drawCell(row, place) {
  const thumb = row.state === "unreadable" ? make("span", { class: "thumb none" }, words(row.reason)) : makeThumb(row);
  const entry = store.waits(row.id) ? store.get(row.id) : null;
  if (entry && row.width) {
    const side = Math.max(row.width, row.height);
    const box = [(row.width - side) / 2, (row.height - side) / 2, side, side].join(" ");
    const svg = makeSvg("svg", { viewBox: box });
    for (const [colour, width] of [["#fff", 4], ["#00a060", 2]]) {
      svg.append(makeSvg("polygon", {
        points: toPoints(entry.corners), fill: "none", stroke: colour, "stroke-width": width, "vector-effect": "non-scaling-stroke",
      }));
    }
    thumb.append(svg);
  }
  return make(
    "button",
    { type: "button", class: row.flagged ? "cell flagged" : "cell", onclick: () => { leaves.go(place); open(); } },
    thumb,
    make("span", { class: "name", title: row.title }, row.title),
    make("span", { class: "facts" }, `${row.id} · ${row.role === "negative" ? "negative · " : ""}${row.mount} · ${row.confidence.toFixed(2)}`),
    make("span", { class: "tags" }, ...tagsOf(row)),
  );
}

const leaves = new Leaves(page.sprites.columns * page.sprites.rows * 2, drawCell);
const plate = new Plate(() => { keepDraft(); refreshSide(); });
const view = $("#view");

function refresh({ stay = false } = {}) {
  const mount = $("#mount").value;
  const rows = search(page.rows, $("#search").value)
    .filter(FILTERS[chosen][1])
    .filter((row) => !mount || row.mount === mount);
  const here = stay ? rows.indexOf(leaves.row) : 0;
  leaves.show(rows, here < 0 ? Math.min(leaves.here, rows.length - 1) : here);
}

function drawFilters() {
  refill($("#filters"), ...FILTERS.map(([name, test], number) => make(
    "button",
    { type: "button", "aria-pressed": String(number === chosen), onclick: () => filter(number) },
    `${name} ${page.rows.filter(test).length.toLocaleString("en")}`,
  )));
}

function filter(number) { chosen = number; drawFilters(); refresh(); }

function drawMounts() {
  const mounts = [...new Set(page.rows.map((row) => row.mount))].sort();
  $("#mount").replaceChildren(
    make("option", { value: "" }, "any mount"),
    ...mounts.map((mount) => make("option", { value: mount }, mount === "none" ? "no mount" : mount)),
  );
}

/** What stands for a row before anything is moved: the saved correction, or the machine's crop. */
function settled(row) {
  const entry = store.get(row.id);
  return entry && entry.sha256 === row.sha256
    ? { corners: entry.corners, note: entry.note }
    : { corners: row.corners, note: entry?.note ?? "" };
}

const isMoved = (corners, others) => corners.some((number, k) => Math.abs(number - others[k]) > 0.005);

function keepDraft() {
  const row = leaves.row, base = settled(row), note = $("#note").value;
  if (row.corners.length && (isMoved(plate.corners, base.corners) || note !== base.note)) {
    drafts.set(row.id, { corners: plate.corners, note });
  } else drafts.delete(row.id);
}

function open({ corner = false } = {}) {
  const row = leaves.row;
  if (!row) return;
  if (!view.open) view.showModal();
  const shown = drafts.get(row.id) ?? settled(row);
  $("#said").textContent = "";
  $("#name").textContent = row.title;
  $("#note").value = shown.note;
  plate.show(row, shown.corners);
  $("#prev").disabled = leaves.here === 0;
  $("#next").disabled = leaves.here === leaves.rows.length - 1;
  refreshSide();
  if (corner && plate.handles.length) plate.handles[0].focus();
  else $("#close").focus();
}

function refreshSide() {
  const row = leaves.row, draft = drafts.has(row.id), usable = row.corners.length > 0;
  const tilt = usable ? ` · tilt ${tiltOf(plate.corners).toFixed(2)}°` : "";
  $("#facts").textContent = `${row.id} · ${row.role} · ${row.mount === "none" ? "no mount" : `${row.mount} mount`} · confidence ${row.confidence.toFixed(2)}${row.reason ? ` · ${words(row.reason)}` : ""} · ${row.width} × ${row.height} px${tilt}`;
  $("#tags").replaceChildren(...tagsOf(row));
  $("#save").disabled = !usable;
  $("#save").textContent = draft || store.get(row.id) ? "Save (s)" : "Accept as it is (s)";
  $("#reset").disabled = !draft;
  $("#gone").disabled = store.get(row.id) === null;
  $("#note").disabled = !usable;
}

function tiltOf(corners) {
  const [x0, y0, x1, y1, x2, y2, x3, y3] = corners;
  const turn = Math.atan2(y1 - y0 + y2 - y3, x1 - x0 + x2 - x3);
  return (turn * 180) / Math.PI;
}

/** Save a row's outline, moved or not; `gone` takes the correction back. */
async function save(row, shown, gone = false) {
  const note = shown.note.replace(/\s+/g, " ").trim();
  const entry = { scan_id: row.id, sha256: row.sha256, corners: shown.corners, note };
  try {
    const told = await store.save(gone ? { ...entry, gone: true } : entry);
    drafts.delete(row.id);
    report(told);
    return true;
  } catch (error) {
    report(`Not saved: ${error.message}`, true);
    return false;
  } finally {
    drawFilters();
    leaves.redraw();
    if (view.open) refreshSide();
  }
}

function report(text, bad = false) {
  $("#said").textContent = text;
  $("#said").classList.toggle("bad", bad);
  if (!view.open) say(text, bad);
}

const saveOpen = () => save(leaves.row, { corners: plate.corners, note: $("#note").value });

function reset() {
  const row = leaves.row, base = settled(row);
  drafts.delete(row.id);
  $("#note").value = base.note;
  plate.set(base.corners);
  refreshSide();
}

async function removeOpen() {
  if (await save(leaves.row, settled(leaves.row), true)) {
    $("#note").value = "";
    plate.set(leaves.row.corners);
    refreshSide();
  }
}

async function accept() {
  const row = leaves.row;
  if (!row?.corners.length || !(await save(row, drafts.get(row.id) ?? settled(row)))) return;
  if (leaves.row === row) leaves.go(leaves.here + 1);
}

function step(by) {
  const before = leaves.here;
  leaves.go(before + by, { focus: false });
  if (leaves.here !== before) open();
}

function onViewKey(event) {
  if (isChord(event) || (event.target.id === "note" && event.key !== "Escape")) return;
  const acts = {
    j: () => step(1), k: () => step(-1), ArrowRight: () => step(1), ArrowLeft: () => step(-1),
    s: () => { if (!$("#save").disabled) saveOpen(); }, r: reset, n: () => $("#note").focus(),
    o: () => $("#plate").classList.toggle("bare"), e: () => plate.handles[0]?.focus(), "?": () => $("#help").showModal(),
  };
  if (!(event.key in acts)) return;
  event.preventDefault();
  acts[event.key]();
}

document.addEventListener("keydown", (event) => {
  if ($("#help").open) return;
  if (view.open) { onViewKey(event); return; }
  if (isChord(event) || isTyping(event.target)) return;
  const acts = { "/": () => $("#search").focus(), "?": () => $("#help").showModal(), e: () => open({ corner: true }), a: accept };
  if (event.key in acts) acts[event.key]();
  else if ("1234".includes(event.key)) filter(Number(event.key) - 1);
  else if (event.key === "Enter" && !event.target.closest("button, a, summary")) open();
  else if (!leaves.key(event.key)) return;
  event.preventDefault();
});

$("#note").addEventListener("input", () => { keepDraft(); refreshSide(); });
$("#note").addEventListener("keydown", (event) => {
  if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); $("#save").focus(); }
});
$("#save").addEventListener("click", saveOpen);
$("#reset").addEventListener("click", reset);
$("#gone").addEventListener("click", removeOpen);
$("#prev").addEventListener("click", () => step(-1));
$("#next").addEventListener("click", () => step(1));
$("#close").addEventListener("click", () => view.close());
view.addEventListener("close", () => { leaves.redraw(); leaves.go(leaves.here); });
$("#mount").addEventListener("change", () => refresh());
addEventListener("beforeunload", (event) => { if (drafts.size) event.preventDefault(); });

store.listeners.push(() => { showNotice(store, toFields, "crop"); });
wire(leaves, refresh);
drawMounts();
drawFilters();
refresh();
store.load()
  .catch((error) => report(`The corrections could not be read: ${error.message}`, true))
  .finally(() => { drawFilters(); refresh({ stay: true }); });
