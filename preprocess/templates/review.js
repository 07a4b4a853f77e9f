"use strict";
/* What both pages share: elements, the store of corrections, leafing, keys. */
const page = JSON.parse(document.getElementById("data").textContent);
const served = location.protocol === "http:" || location.protocol === "https:";
const $ = (selector, within = document) => within.querySelector(selector);

/** Make an element; everything from outside goes in as text, never as markup. */
function make(tag, traits = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(traits)) {
    if (name === "style") element.style.cssText = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function makeSvg(tag, traits = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(traits)) element.setAttribute(name, value);
  return element;
}

/** Put new elements in the place of old ones; what had the focus keeps it, by its place. */
function refill(box, ...children) {
  const stops = () => [...box.querySelectorAll("button:not(:disabled), [tabindex]")];
  const place = stops().indexOf(document.activeElement);
  box.replaceChildren(...children);
  if (place >= 0) stops().slice(0, place + 1).at(-1)?.focus({ preventScroll: true });
}

const words = (text) => text.replaceAll("_", " ");

/** Say for a while what was done, or at length what went wrong. */
function say(text, bad = false) {
  const box = $("#live");
  (document.querySelector("dialog[open]") ?? document.body).append(box);
  box.textContent = text;
  box.classList.toggle("bad", bad);
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { box.textContent = ""; }, bad ? 15000 : 5000);
}

/** The corrections: those that the table holds, and those that this browser keeps for it. */
class Store {
  /** @param keyOf gives the key of an entry, such as the scan's id. */
  constructor(keyOf) {
    this.keyOf = keyOf;
    this.table = new Map(page.overrides.map((entry) => [keyOf(entry), entry]));
    this.drawn = new Map(this.table);
    this.kept = new Map();
    this.shelf = `photochrom ${page.source} ${page.kind}`;
    this.remembers = true;
    this.listeners = [];
  }

  get(key) { return this.kept.has(key) ? this.kept.get(key) : this.table.get(key) ?? null; }

  /** Whether a correction is newer than the page, so that the stage has not read it. */
  waits(key) { return JSON.stringify(this.get(key)) !== JSON.stringify(this.drawn.get(key) ?? null); }

  waiting() {
    return [...new Set([...this.table.keys(), ...this.drawn.keys(), ...this.kept.keys()])]
      .filter((key) => this.waits(key)).length;
  }

  tell() { for (const listener of this.listeners) listener(); }

  async load() {
    if (served) {
      const reply = await fetch(`/api/${page.kind}`, { cache: "no-store" });
      if (!reply.ok) throw new Error(`the server answered ${reply.status}`);
      const entries = (await reply.json()).entries;
      this.table = new Map(entries.map((entry) => [this.keyOf(entry), entry]));
    } else {
      try {
        this.kept = new Map(JSON.parse(localStorage.getItem(this.shelf) ?? "[]"));
      } catch { this.remembers = false; }
      for (const [key, entry] of this.kept) {
        if (JSON.stringify(entry) === JSON.stringify(this.table.get(key) ?? null)) this.kept.delete(key);
      }
    }
    this.tell();
  }

  /** Save an entry, or take it back: then it only has its ids and `gone`. Says what to tell. */
  async save(entry) {
    const key = this.keyOf(entry);
    return served ? this.send(key, entry) : this.keep(key, entry);
  }

  async send(key, entry) {
    const before = this.get(key);
    const reply = await fetch(`/api/${page.kind}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...entry, before }),
    });
    const answer = await reply.json().catch(() => ({ error: `the server answered ${reply.status}` }));
    if (reply.status === 409) {
      if (answer.entry) this.table.set(key, answer.entry); else this.table.delete(key);
      this.tell();
    }
    if (!reply.ok) throw new Error(answer.error);
    if (answer.entry) this.table.set(key, answer.entry); else this.table.delete(key);
    this.tell();
    return answer.said;
  }

  keep(key, entry) {
    const { gone, ...plain } = entry;
    const known = this.table.get(key) ?? null;
    const value = gone ? null : plain;
    if (JSON.stringify(value) === JSON.stringify(known)) this.kept.delete(key);
    else this.kept.set(key, value);
    try {
      localStorage.setItem(this.shelf, JSON.stringify([...this.kept]));
    } catch { this.remembers = false; }
    this.tell();
    const held = this.remembers ? "Kept in this browser" : "Kept until this page is closed";
    return `${held}; download ${page.kind}.csv when you are done.`;
  }

  /** The whole table as CSV (RFC 4180), as the project's own code writes it. */
  toCsv(toFields) {
    const all = new Map([...this.table, ...this.kept]);
    const order = [...all].filter(([, entry]) => entry).sort(([a], [b]) => (a < b ? -1 : 1));
    const quote = (field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field);
    const lines = [page.header, ...order.map(([, entry]) => toFields(entry).map(String))];
    return lines.map((fields) => `${fields.map(quote).join(",")}\n`).join("");
  }

  download(toFields) {
    const link = make("a", {
      href: URL.createObjectURL(new Blob([this.toCsv(toFields)], { type: "text/csv" })),
      download: `${page.kind}.csv`,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
}

/** Show what waits for the stage, and what to do about it. */
function showNotice(store, toFields, stage) {
  const count = store.waiting();
  const box = $("#notice");
  box.hidden = count === 0;
  if (!count) return;
  const what = count === 1 ? "1 correction waits" : `${count.toLocaleString("en")} corrections wait`;
  const file = `overrides/${page.source}/${page.kind}.csv`;
  const text = make("p", {}, `${what} for the next run. `);
  const run = [make("code", {}, "dvc repro"), " (or ", make("code", {}, `photochrom ${stage}`), ")"];
  if (served) {
    text.append("Saved in ", make("code", {}, file), ". Run ", ...run, " to use ");
    text.append(count === 1 ? "it, and commit the file." : "them, and commit the file.");
  } else {
    text.append("Download the table, put it in the place of ", make("code", {}, file), " and run ");
    text.append(...run, ". Or let ", make("code", {}, "photochrom review"), " serve this page: it saves by itself.");
  }
  const parts = [text];
  if (!served) {
    const label = `Download ${page.kind}.csv`;
    parts.push(make("button", { class: "main", type: "button", onclick: () => store.download(toFields) }, label));
  }
  box.replaceChildren(make("div", {}, ...parts));
}

/** A long list, one leaf at a time; `draw` makes the element of a row. */
class Leaves {
  constructor(size, draw) {
    this.size = size; this.draw = draw; this.rows = []; this.leaf = 0; this.here = 0;
  }

  get row() { return this.rows[this.here]; }
  get leaves() { return Math.max(1, Math.ceil(this.rows.length / this.size)); }

  show(rows, here = 0) {
    this.rows = rows;
    this.here = Math.max(0, Math.min(here, rows.length - 1));
    this.leaf = Math.floor(this.here / this.size);
    this.redraw();
  }

  redraw() {
    const first = this.leaf * this.size;
    const shown = this.rows.slice(first, first + this.size);
    refill($("#grid"), ...shown.map((row, place) => make("li", {}, this.draw(row, first + place))));
    $("#none").hidden = shown.length > 0;
    const to = (first + shown.length).toLocaleString("en"), all = this.rows.length.toLocaleString("en");
    $("#where").textContent = shown.length ? `${(first + 1).toLocaleString("en")}–${to} of ${all}` : "none";
    $("#back").disabled = this.leaf === 0;
    $("#on").disabled = this.leaf >= this.leaves - 1;
    this.mark();
  }

  mark() {
    const cells = [...$("#grid").children].map((item) => item.firstElementChild);
    const place = this.here - this.leaf * this.size;
    cells.forEach((cell, number) => cell.classList.toggle("here", number === place));
    return cells[place];
  }

  /** Go to a row; the leaf turns where it must. */
  go(here, { focus = true } = {}) {
    if (!this.rows.length) return;
    this.here = Math.max(0, Math.min(here, this.rows.length - 1));
    const leaf = Math.floor(this.here / this.size);
    if (leaf !== this.leaf) { this.leaf = leaf; this.redraw(); }
    const cell = this.mark();
    if (focus && cell) { cell.focus({ preventScroll: true }); cell.scrollIntoView({ block: "nearest" }); }
  }

  turn(by) { this.go((this.leaf + by) * this.size); scrollTo({ top: 0 }); }

  /** How many cells stand side by side. */
  across() {
    const items = [...$("#grid").children];
    const top = items[0]?.offsetTop;
    const count = items.findIndex((item) => item.offsetTop !== top);
    return count < 0 ? Math.max(1, items.length) : count;
  }

  /** Move by a key; says whether the key was one. */
  key(name) {
    const steps = { j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1, ArrowDown: this.across(), ArrowUp: -this.across() };
    if (name in steps) this.go(this.here + steps[name]);
    else if (name === "Home") this.go(0);
    else if (name === "End") this.go(this.rows.length - 1);
    else if (name === "]") this.turn(1);
    else if (name === "[") this.turn(-1);
    else return false;
    return true;
  }
}

const isTyping = (target) => target.matches?.("input, textarea, select");
const isChord = (event) => event.ctrlKey || event.metaKey || event.altKey || event.isComposing;
/** Choose the rows whose text holds every word. */
function search(rows, query) {
  const wanted = query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((row) => wanted.every((word) => row.text.includes(word)));
}

/** Wire what stands on both pages: leafing buttons, help, the search field. */
function wire(leaves, refresh) {
  $("#back").addEventListener("click", () => leaves.turn(-1));
  $("#on").addEventListener("click", () => leaves.turn(1));
  $("#ask").addEventListener("click", () => $("#help").showModal());
  $("#close-help").addEventListener("click", () => $("#help").close());
  $("#search").addEventListener("input", () => refresh());
  $("#search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") { event.target.value = ""; refresh(); }
    event.target.blur();
    leaves.go(0);
  });
}
