/* A scan, large, with the four corners of its print to be moved. */
const CORNERS = ["Top left", "Top right", "Bottom right", "Bottom left"];
const SIDES = ["Top", "Right", "Bottom", "Left"];
const SHOWN = /\.(jpe?g|png|webp|gif)$/i;

/** Whether the corners turn clockwise all the way round, as the project's own code wants it. */
function isConvex(corners) {
  const at = (k) => [corners[(2 * k) % 8], corners[(2 * k + 1) % 8]];
  return [0, 1, 2, 3].every((k) => {
    const [a, b, c] = [at(k), at(k + 1), at(k + 2)];
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]) > 0;
  });
}

/** Four corners of a box given as shares of the print, by the homography (Heckbert 1989, 2.2.3). */
function toQuad(corners, [left, top, right, bottom]) {
  const [x0, y0, x1, y1, x2, y2, x3, y3] = corners;
  const [dx1, dx2, sx] = [x1 - x2, x3 - x2, x0 - x1 + x2 - x3];
  const [dy1, dy2, sy] = [y1 - y2, y3 - y2, y0 - y1 + y2 - y3];
  const base = dx1 * dy2 - dx2 * dy1;
  const g = (sx * dy2 - dx2 * sy) / base, h = (dx1 * sy - sx * dy1) / base;
  return [[left, top], [right, top], [right, bottom], [left, bottom]].map(([u, v]) => {
    const w = g * u + h * v + 1;
    return [
      ((x1 - x0 + g * x1) * u + (x3 - x0 + h * x3) * v + x0) / w,
      ((y1 - y0 + g * y1) * u + (y3 - y0 + h * y3) * v + y0) / w,
    ];
  });
}

const toPoints = (corners) => [0, 2, 4, 6].map((k) => `${corners[k]},${corners[k + 1]}`).join(" ");

/** The scan on its stage. `changed` is called whenever a corner has moved. */
class Plate {
  constructor(changed) {
    this.changed = changed;
    this.box = $("#plate");
    this.stage = $("#stage");
    this.strips = SIDES.map((side) => {
      const canvas = make("canvas", { width: 560, height: 88 });
      $("#strips").append(make("div", {}, make("span", {}, side), canvas));
      return canvas;
    });
    new ResizeObserver(() => this.fit()).observe(this.stage);
  }

  /** Put a row on the stage. @param corners the eight numbers shown; the handles move a copy. */
  show(row, corners) {
    this.row = row;
    this.corners = [...corners];
    this.ready = false;
    this.box.replaceChildren();
    this.box.classList.remove("bare");
    $("#loupe").classList.remove("on");
    this.handles = [];
    if (!corners.length) return this.cannot(`This scan could not be cropped: ${words(row.reason)}.`);
    this.image = make("img", { alt: row.title, draggable: "false" });
    this.image.addEventListener("load", () => { this.ready = true; this.draw(); });
    this.image.addEventListener("error", () => this.substitute());
    this.svg = makeSvg("svg", { viewBox: `0 0 ${row.width} ${row.height}`, preserveAspectRatio: "none" });
    this.rim = makeSvg("polygon", { class: "rim" });
    this.print = makeSvg("polygon", { class: "print" });
    this.was = makeSvg("polygon", { class: "was", points: toPoints(row.corners) });
    this.words = makeSvg("polygon", { class: "words" });
    this.svg.append(this.rim, this.was, this.words, this.print);
    this.handles = CORNERS.map((name, k) => this.makeHandle(k));
    this.box.append(this.image, this.svg, ...this.handles);
    if (served) this.image.src = `/scan?id=${encodeURIComponent(row.id)}`;
    else if (SHOWN.test(row.src)) this.image.src = row.src;
    else this.substitute();
    this.fit();
    return undefined;
  }

  /** A browser shows no TIFF: from the disk the thumbnail stands in for it. */
  substitute() {
    if (!this.image) return;
    const { width, height } = this.row, side = Math.max(width, height);
    const thumb = makeThumb(this.row);
    thumb.style.cssText += `;width:${(100 * side) / width}%;height:${(100 * side) / height}%;` +
      `left:${(50 * (width - side)) / width}%;top:${(50 * (height - side)) / height}%`;
    this.image.replaceWith(make("div", { style: "position:absolute;inset:0;overflow:hidden" }, thumb));
    this.image = null;
    $("#said").textContent = served
      ? "The scan cannot be shown; its thumbnail stands here."
      : "A browser cannot show this file from the disk; its thumbnail stands here. `photochrom review` shows it large.";
  }

  cannot(text) {
    this.image = null;
    this.box.style.cssText = "";
    this.box.replaceChildren(make("p", { class: "cannot" }, text));
  }

  makeHandle(k) {
    const handle = make("button", {
      type: "button", class: "corner",
      onkeydown: (event) => this.push(event, k), onpointerdown: (event) => this.grab(event, k),
      onfocus: () => this.magnify(k), onblur: () => $("#loupe").classList.remove("on"),
    });
    return handle;
  }

  push(event, k) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (!(event.key in ways) || isChord(event)) return;
    event.preventDefault();
    event.stopPropagation();
    const [x, y] = ways[event.key], by = event.shiftKey ? 10 : 1;
    this.move(k, this.corners[2 * k] + x * by, this.corners[2 * k + 1] + y * by);
  }

  grab(event, k) {
    const handle = this.handles[k], start = [...this.corners];
    event.preventDefault();
    handle.focus();
    handle.setPointerCapture(event.pointerId);
    handle.classList.add("drag");
    const scale = this.row.width / this.box.clientWidth;
    const drag = (moved) => this.move(
      k,
      start[2 * k] + (moved.clientX - event.clientX) * scale,
      start[2 * k + 1] + (moved.clientY - event.clientY) * scale,
    );
    const release = () => {
      handle.classList.remove("drag");
      handle.removeEventListener("pointermove", drag);
    };
    handle.addEventListener("pointermove", drag);
    handle.addEventListener("lostpointercapture", release, { once: true });
  }

  /** Move a corner; one that would fold the outline, or leave the scan, stays. */
  move(k, x, y) {
    const moved = [...this.corners];
    moved[2 * k] = Math.max(0, Math.min(this.row.width, Math.round(4 * x) / 4));
    moved[2 * k + 1] = Math.max(0, Math.min(this.row.height, Math.round(4 * y) / 4));
    if (!isConvex(moved)) return;
    this.set(moved);
    this.magnify(k);
    this.changed();
  }

  set(corners) { this.corners = [...corners]; this.draw(); }

  fit() {
    if (!this.row?.corners.length) return;
    const margin = Math.min(48, 0.08 * this.stage.clientWidth);
    const room = [this.stage.clientWidth - margin, this.stage.clientHeight - margin];
    const scale = Math.min(room[0] / this.row.width, room[1] / this.row.height);
    this.box.style.cssText = `width:${this.row.width * scale}px;height:${this.row.height * scale}px`;
    this.draw();
  }

  draw() {
    if (!this.handles.length) return;
    const points = toPoints(this.corners);
    this.rim.setAttribute("points", points);
    this.print.setAttribute("points", points);
    const caption = this.row.caption.length ? toQuad(this.row.corners, this.row.caption) : [];
    this.words.setAttribute("points", caption.map(String).join(" "));
    this.handles.forEach((handle, k) => {
      const [x, y] = [this.corners[2 * k], this.corners[2 * k + 1]];
      handle.style.left = `${(100 * x) / this.row.width}%`;
      handle.style.top = `${(100 * y) / this.row.height}%`;
      handle.setAttribute("aria-label", `${CORNERS[k]} corner, ${x} across, ${y} down`);
    });
    if (this.ready && this.image) this.strips.forEach((canvas, k) => this.straighten(canvas, k));
    else for (const canvas of this.strips) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  }

  /** Draw one edge level: the strip's width is the edge, its height 1/40 of the scan. */
  straighten(canvas, k) {
    const pen = canvas.getContext("2d"), { width, height } = canvas;
    const at = (n) => [this.corners[(2 * n) % 8], this.corners[(2 * n + 1) % 8]];
    const [a, b] = [at(k), at(k + 1)];
    const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
    const [tx, ty] = [(b[0] - a[0]) / length, (b[1] - a[1]) / length];
    const along = width / length, away = height / (Math.max(this.row.width, this.row.height) / 40);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.setTransform(
      along * tx, -away * ty, along * ty, away * tx,
      -along * (a[0] * tx + a[1] * ty), height / 2 - away * (a[1] * tx - a[0] * ty),
    );
    pen.drawImage(this.image, 0, 0, this.row.width, this.row.height);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = "rgba(224,0,150,.8)";
    pen.fillRect(0, height / 2 - 1, width, 2);
  }

  /** Show the surroundings of a corner four times as large as the scan is stored. */
  magnify(k) {
    if (!this.ready || !this.image) return;
    const loupe = $("#loupe"), side = 2 * loupe.clientWidth, pen = loupe.getContext("2d");
    const scale = Math.max(4, 4096 / Math.max(this.row.width, this.row.height));
    loupe.width = loupe.height = side;
    pen.setTransform(scale, 0, 0, scale, side / 2 - scale * this.corners[2 * k], side / 2 - scale * this.corners[2 * k + 1]);
    pen.drawImage(this.image, 0, 0, this.row.width, this.row.height);
    pen.beginPath();
    for (let n = 0; n < 4; n += 1) pen.lineTo(this.corners[2 * n], this.corners[2 * n + 1]);
    pen.closePath();
    pen.lineWidth = 2.5 / scale;
    pen.strokeStyle = "#e00096";
    pen.stroke();
    loupe.classList.add("on");
  }
}
