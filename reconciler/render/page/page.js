// Draws the maps and acts on the filters. Everything that it shows is set as text, never as markup.
(() => {
  "use strict";

  const TILES = 40; // rows of a map at once: of more rows, several share a tile
  const COLUMNS = 40; // columns of a map at once
  const EAGER = 10; // maps that are drawn at once; any other is once it comes near
  const SHADE = 0, SAYS = 1, MANIFESTS = 2, WAVE = 3, CAUSE = 4, CELLS = 5; // the fields of a group of cells
  const data = JSON.parse(document.getElementById("data").textContent);
  const shades = data.shades.map(([key, glyph, label]) => ({ key, glyph, label }));
  const OUTSIDE = shades.length - 1;
  const FIRST_DUE = 0, LAST_DUE = 2; // the shades that are due come first
  const form = document.getElementById("filters");
  const chosen = { manifest: "", label: "", reason: "", wave: "", cause: "" };

  const format = new Intl.NumberFormat("en-US");
  const number = (value) => value < 1000 ? String(value) : format.format(value);
  const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

  function element(name, attributes = {}, text = "") {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  }

  /** Write a text only if it is another: the browser lays out again whatever is written. */
  function write(node, text) { if (node.textContent !== text) node.textContent = text; }

  async function unpacked(base64) {
    const text = atob(base64), bytes = new Uint8Array(text.length); // a loop: `from` takes ten times as long
    for (let at = 0; at < bytes.length; at++) bytes[at] = text.charCodeAt(at);
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
  }

  /** Say for each group whether the filters let it through. */
  function passing(groups) {
    const { manifest, reason, wave, cause } = chosen;
    return groups.map((group) =>
      (!manifest || group[MANIFESTS].includes(manifest)) &&
      (!reason || shades[group[SHADE]].key === reason) &&
      (!wave || String(group[WAVE]) === wave) &&
      (!cause || (isDue(group) && (group[CAUSE] ?? "due") === cause)));
  }

  class CellMap {
    constructor(host, told, cells, rows) {
      Object.assign(this, { host, cells, packedRows: rows, columns: told.columns, groups: told.groups, count: told.count });
      this.name = host.closest("section").querySelector("h2").textContent;
      this.views = [[0, this.count]]; // from the whole table down to what is shown
      this.firstColumn = 0;
      this.focused = [0, 0];
      this.bar = element("p", { class: "tools" });
      this.where = element("span", { class: "where", role: "status" });
      this.buttons = {
        out: this.button("Zoom out", () => this.zoomOut()),
        earlier: this.button("Earlier rows", () => this.shift(-1)),
        later: this.button("Later rows", () => this.shift(1)),
        left: this.button("Columns before", () => this.shiftColumns(-1)),
        right: this.button("Columns after", () => this.shiftColumns(1)),
      };
      this.bar.append(...Object.values(this.buttons), this.where);
      this.grid = element("table", { role: "grid", "aria-label": `Cells of ${this.name}, rows by columns` });
      const frame = element("div", { class: "frame" });
      frame.append(this.grid);
      this.grid.style.maxWidth = `${8 + 6 * Math.min(this.columns.length, COLUMNS)}rem`;
      this.told = element("p", { class: "told", id: `told-${host.dataset.map}` });
      const help = "Point at a cell, or move with the arrow keys, to have it explained. Enter or a click zooms in, " +
        "Escape zooms out, Page Up and Page Down move on.";
      const stage = element("div");
      stage.append(frame, this.told);
      host.append(element("p", { class: "hint" }, help), this.bar, stage);
      this.tiles = []; // the elements of the grid, row by row
      this.blank = element("td", { role: "gridcell", tabindex: "-1", "aria-describedby": this.told.id });
      this.blank.append(element("span", { "aria-hidden": "true" }));
      this.grid.addEventListener("keydown", (event) => this.key(event));
      this.grid.addEventListener("click", (event) => this.at(event, (row, column) => this.zoomIn(row, column)));
      for (const kind of ["mouseover", "focusin"]) {
        this.grid.addEventListener(kind, (event) => this.at(event, (row, column) => this.explain(row, column)));
      }
      this.draw();
    }

    button(label, action) {
      const made = element("button", { type: "button" }, label);
      made.addEventListener("click", action);
      return made;
    }

    get view() { return this.views[this.views.length - 1]; }

    /** The ids of the rows, which are not needed before a view shows single cells. */
    get rows() { return this.splitRows ??= new TextDecoder().decode(this.packedRows).split("\n"); }

    /** How many rows share a tile. */
    get step() { return Math.max(1, Math.ceil((this.view[1] - this.view[0]) / TILES)); }

    at(event, act) {
      const cell = event.target.closest("td");
      if (cell) act(...this.place(cell));
    }

    place(cell) { return [Number(cell.dataset.row), Number(cell.dataset.column)]; }

    /** Return how many cells of each shade a tile has, and how many of them this change makes due. */
    tile(row, column) {
      const { cells, codes } = this, base = column * this.count;
      const start = this.view[0] + row * this.step, end = Math.min(start + this.step, this.view[1]);
      const both = new Uint32Array(2 * shades.length), counts = new Uint32Array(shades.length);
      for (let at = base + start; at < base + end; at++) both[codes[cells[at]]]++;
      let changed = 0;
      for (let shade = 0; shade < counts.length; shade++) {
        counts[shade] = both[2 * shade] + both[2 * shade + 1];
        changed += both[2 * shade + 1];
      }
      return { start, end, counts, changed, total: end - start };
    }

    draw() {
      this.passes = passing(this.groups);
      this.isFiltered = this.passes.includes(false);
      // One number says the shade of a group and whether this change makes it due: a view of a large table looks at
      // each of its millions of cells.
      this.codes = Uint8Array.from(this.groups, (group, at) =>
        this.passes[at] ? 2 * group[SHADE] + (group[CAUSE] === "change" ? 1 : 0) : 2 * OUTSIDE);
      const [start, end] = this.view, rows = Math.ceil((end - start) / this.step);
      const last = Math.min(this.firstColumn + COLUMNS, this.columns.length), columns = last - this.firstColumn;
      if (this.tiles.length !== rows || this.tiles[0].length !== columns) this.build(rows, columns);
      write(this.corner, this.step > 1 ? "rows" : "row");
      this.heads.forEach((head, at) => write(head, this.columns[this.firstColumn + at]));
      this.tiles.forEach((line, row) => {
        const title = this.rowTitle(row);
        write(this.titles[row], title);
        line.forEach((cell, at) => this.fill(cell, row, this.firstColumn + at, title));
      });
      this.focusable(...this.focused);
      this.buttons.out.disabled = this.views.length === 1;
      this.buttons.earlier.disabled = start === 0;
      this.buttons.later.disabled = end === this.count;
      for (const side of ["left", "right"]) this.buttons[side].hidden = this.columns.length <= COLUMNS;
      this.buttons.left.disabled = this.firstColumn === 0;
      this.buttons.right.disabled = last === this.columns.length;
      const share = this.step > 1 ? `, ${number(this.step)} rows a tile` : "";
      this.where.textContent = `Rows ${number(start + 1)} to ${number(end)} of ${number(this.count)}${share}.`;
      this.explainNothing();
    }

    /** Make the elements of a view of that many tiles. The next view of as many fills them anew. */
    build(rows, columns) {
      const head = element("tr");
      this.corner = element("th", { scope: "col", class: "corner" });
      this.heads = Array.from({ length: columns }, () => element("span"));
      head.append(this.corner, ...this.heads.map((span) => {
        const title = element("th", { scope: "col" });
        title.append(span);
        return title;
      }));
      this.titles = Array.from({ length: rows }, () => element("th", { scope: "row" }));
      this.tiles = this.titles.map(() => Array.from({ length: columns }, () => this.blank.cloneNode(true)));
      this.grid.replaceChildren(head, ...this.tiles.map((line, row) => {
        const made = element("tr");
        made.append(this.titles[row], ...line);
        return made;
      }));
    }

    rowTitle(row) {
      const start = this.view[0] + row * this.step, end = Math.min(start + this.step, this.view[1]);
      return this.step === 1 ? `${number(start + 1)} · ${this.rows[start].slice(0, 8)}` : `${number(start + 1)}–${number(end)}`;
    }

    fill(cell, row, column, title) {
      const tile = this.tile(row, column), kinds = tile.counts.reduce((sum, count) => sum + (count > 0), 0);
      const first = tile.counts.findIndex((count) => count > 0), isMixed = kinds > 1;
      Object.assign(cell.dataset, { row, column, shade: shades[first].key });
      const kind = `${isMixed ? "mixed" : `fill-${shades[first].key}`}${tile.changed ? " changed" : ""}`;
      if (cell.className !== kind) cell.className = kind;
      cell.style.backgroundImage = isMixed ? this.mix(tile) : "";
      write(cell.firstChild, shades[first].glyph);
      cell.setAttribute("aria-label", `${this.columns[column]}, ${title}: ${this.summary(tile)}`);
    }

    /** Return a tile of several kinds of cells as a bar of their shares, each at least wide enough to be seen. */
    mix(tile) {
      const parts = [];
      let at = 0;
      tile.counts.forEach((count, shade) => {
        if (!count) return;
        const end = at + Math.max(100 * count / tile.total, 3);
        parts.push(`var(--${shades[shade].key}) ${at}% ${end}%`);
        at = end;
      });
      return `linear-gradient(to right, ${parts.join(", ")})`;
    }

    summary(tile) {
      const parts = [];
      tile.counts.forEach((count, shade) => {
        if (!count) return;
        const label = shade === OUTSIDE && this.isFiltered ? "in no run, or filtered out" : shades[shade].label;
        parts.push(tile.total === 1 ? label : `${number(count)} ${label}`);
      });
      return parts.join(", ") + (tile.changed ? `; ${tile.total === 1 ? "" : `${number(tile.changed)} `}because of this change` : "");
    }

    explainNothing() {
      this.told.textContent = "No cell is pointed at.";
      this.told.classList.remove("pointing");
    }

    explain(row, column) {
      const tile = this.tile(row, column);
      const lines = [`${this.columns[column]}: ${this.summary(tile)}.`];
      if (tile.total === 1) {
        const group = this.groups[this.cells[column * this.count + tile.start]];
        lines[0] = `${shades[group[SHADE]].glyph} ${lines[0]}`.trim();
        lines.push(...group[SAYS].map((sentence) => `${sentence}.`));
        if (group[WAVE] !== null) lines.push(`Wave ${number(group[WAVE])}.`);
        lines.push(`Row ${number(tile.start + 1)}: ${this.rows[tile.start]}.`);
      } else {
        lines.push(`Rows ${number(tile.start + 1)} to ${number(tile.end)}.`);
      }
      this.told.textContent = lines.join(" ");
      this.told.classList.add("pointing");
    }

    focusable(row, column) {
      const cell = this.tiles[row]?.[column - this.firstColumn] ?? this.tiles[0][0];
      this.reachable?.setAttribute("tabindex", "-1");
      this.reachable = cell;
      cell.setAttribute("tabindex", "0");
      this.focused = this.place(cell);
      return cell;
    }

    move(row, column) {
      const last = this.firstColumn + this.tiles[0].length - 1;
      const within = (value, low, high) => Math.min(Math.max(value, low), high);
      this.focusable(within(row, 0, this.tiles.length - 1), within(column, this.firstColumn, last)).focus();
    }

    key(event) {
      const [row, column] = this.focused;
      const act = {
        ArrowUp: () => this.move(row - 1, column),
        ArrowDown: () => this.move(row + 1, column),
        ArrowLeft: () => this.move(row, column - 1),
        ArrowRight: () => this.move(row, column + 1),
        Home: () => this.move(event.ctrlKey ? 0 : row, 0),
        End: () => this.move(event.ctrlKey ? Infinity : row, Infinity),
        PageUp: () => this.again(() => this.shift(-1)),
        PageDown: () => this.again(() => this.shift(1)),
        Enter: () => this.again(() => this.zoomIn(row, column)),
        Escape: () => this.again(() => this.zoomOut()),
      }[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    }

    /** Do something that redraws the map, and have the focus stay in it. */
    again(act) {
      act();
      this.move(...this.focused);
    }

    zoomIn(row, column) {
      this.focused = [row, column];
      if (this.step === 1) { this.move(row, column); return; }
      const tile = this.tile(row, column);
      this.views.push([tile.start, tile.end]);
      this.focused = [0, column];
      this.draw();
    }

    zoomOut() {
      if (this.views.length === 1) return;
      this.views.pop();
      this.draw();
    }

    shift(by) {
      const [start, end] = this.view, length = end - start;
      const moved = Math.min(Math.max(start + by * length, 0), Math.max(this.count - length, 0));
      if (this.views.length > 1) this.views[this.views.length - 1] = [moved, Math.min(moved + length, this.count)];
      this.draw();
    }

    shiftColumns(by) {
      const most = Math.floor((this.columns.length - 1) / COLUMNS) * COLUMNS;
      this.firstColumn = Math.min(Math.max(this.firstColumn + by * COLUMNS, 0), most);
      this.focused = [this.focused[0], this.firstColumn];
      this.draw();
    }
  }

  const isDue = (group) => group[SHADE] >= FIRST_DUE && group[SHADE] <= LAST_DUE;

  /** Count the due cells of a map that the filters let through. */
  function dueCells(told) {
    const passes = passing(told.groups);
    return told.groups.reduce((sum, group, at) => sum + (passes[at] && isDue(group) ? group[CELLS] : 0), 0);
  }

  /** Take what the form says, show the tables that are meant, and count what is in them. */
  function choose() {
    for (const select of form.querySelectorAll("select")) chosen[select.name] = select.value;
    const isAny = Object.values(chosen).every((value) => !value);
    let sections = 0, due = 0;
    for (const [at, section] of document.querySelectorAll("section.table").entries()) {
      const [manifests, labels] = data.sections[at];
      section.hidden = Boolean((chosen.manifest && !manifests.includes(chosen.manifest)) ||
        (chosen.label && !labels.includes(chosen.label)));
      if (section.hidden) continue;
      sections++;
      for (const host of section.querySelectorAll("[data-map]")) due += dueCells(data.maps[Number(host.dataset.map)]);
    }
    const shown = `${counted(due, "due cell")} in ${counted(sections, "table")}`;
    document.getElementById("found").textContent = isAny ? `Everything is shown: ${shown}.` : `Shown: ${shown}.`;
  }

  async function draw(host, maps) {
    const told = data.maps[Number(host.dataset.map)];
    const [cells, rows] = await Promise.all([unpacked(told.cells), unpacked(told.rows)]);
    maps.set(host, new CellMap(host, told, new (told.wide ? Uint32Array : Uint8Array)(cells), rows));
  }

  function failed(host) {
    host.replaceChildren(element("p", {}, "This browser cannot draw the map. The tables below say the same in numbers."));
  }

  async function start() {
    const maps = new Map(), hosts = [...document.querySelectorAll("[data-map]")];
    const later = new IntersectionObserver((entries) => {
      for (const { target } of entries.filter((each) => each.isIntersecting)) {
        later.unobserve(target);
        draw(target, maps).catch(() => failed(target));
      }
    }, { rootMargin: "600px" });
    if (form && hosts.length) {
      form.hidden = false;
      const filter = () => {
        choose();
        for (const [host, map] of maps) if (!host.closest("section").hidden) map.draw();
      };
      form.addEventListener("change", filter);
      form.addEventListener("submit", (event) => event.preventDefault());
      document.getElementById("clear").addEventListener("click", () => { form.reset(); filter(); });
      choose(); // before the maps are drawn: a browser that comes back to a page fills in its form
    }
    hosts.slice(EAGER).forEach((host) => later.observe(host));
    await Promise.all(hosts.slice(0, EAGER).map((host) => draw(host, maps).catch(() => failed(host))));
    addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
    document.documentElement.dataset.ready = "true";
  }

  start();
})();
