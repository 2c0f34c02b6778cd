"use strict";
// Draws the page that stands in #page: its facts, then each figure by its kind (KINDS).
const page = JSON.parse(document.getElementById("page").textContent);
const charts = [];
const root = document.documentElement;
// From little to much: pale to dark on white, dark to bright on black; told apart without colours, too.
const RAMPS = { light: ["#ccd6e2", "#9ecae1", "#4292c6", "#08519c", "#3f007d"],
  dark: ["#3b4a5c", "#2c728e", "#28ae80", "#addc30", "#fde725"] };
const CURVES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d1f", "#7f7f7f"];
const STATES = { down: ["#d62718", "7 4"], drained: ["#c2188f", "2 3"], slow: ["#e08214", "10 3 2 3"] };
const SHOWN = 200; // rows of a table before "show all"
const MARGIN = 92; // for the names of tiers, in pixels
const TIERS = { superspine: "superspines", spine: "spines", leaf: "leaves", host: "hosts" };
const ROW = 26; // most boxes in a tier of the fabric before its devices are bunched

// ---- elements, numbers, downloads
function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}
function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}
// Names differ at their ends: what is too long loses its middle.
function shortened(name, most) {
  const tail = Math.max(1, Math.ceil((most - 1) * 0.6));
  return name.length <= most ? name : `${name.slice(0, Math.max(0, most - 1 - tail))}\u2026${name.slice(-tail)}`;
}
function scaled(value, steps, digits = 3) {
  const [factor, unit] = steps.find(([each]) => Math.abs(value) >= each) ?? steps[steps.length - 1];
  return `${+(value / factor).toPrecision(digits)} ${unit}`;
}
const SECONDS = [[1, "s"], [1e-3, "ms"], [1e-6, "us"], [1e-9, "ns"], [1e-12, "ps"]];
const BYTES = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]];
const BITS = [[1e12, "Tb/s"], [1e9, "Gb/s"], [1e6, "Mb/s"], [1e3, "kb/s"], [1, "b/s"]];
function text(value, unit = "", digits = 4) {
  if (value == null) return "-";
  if (typeof value !== "number") return String(value);
  if (unit === "ratio") return `${+(value * 100).toPrecision(digits)} %`;
  if (value === 0) return unit && !["s", "bytes", "bit/s"].includes(unit) ? `0 ${unit}` : "0";
  if (unit === "s") return scaled(value, SECONDS, digits);
  if (unit === "bytes") return scaled(value, BYTES, digits);
  if (unit === "bit/s") return scaled(value, BITS, digits);
  const plain = Math.abs(value) >= 1000 || Number.isInteger(value)
    ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(digits));
  return unit ? `${plain} ${unit}` : plain;
}
const header = (axis) => axis.name + (axis.unit && axis.unit !== "ratio" ? ` (${axis.unit})` : "");
function download(name, content) {
  const link = el("a", { href: URL.createObjectURL(new Blob([content], { type: "text/csv" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
function csv(head, rows) {
  const cell = (value) => {
    const plain = value == null ? "" : String(value);
    return /[",\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
  };
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
}
const slug = (title) => title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
const isDark = () => root.dataset.theme === "dark";
function colour(share) {
  const steps = RAMPS[root.dataset.theme];
  const place = Math.min(1, Math.max(0, share)) * (steps.length - 1);
  const low = Math.floor(place), high = Math.min(steps.length - 1, low + 1);
  const mix = [1, 3, 5].map((from) => {
    const [a, b] = [low, high].map((each) => parseInt(steps[each].slice(from, from + 2), 16));
    return Math.round(a + (b - a) * (place - low));
  });
  return `rgb(${mix.join(",")})`;
}
function inkOn(background) {
  const [r, g, b] = background.match(/\d+/g).map(Number);
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#111" : "#fff";
}
function ramp(most, unit) {
  const stops = [0, 0.25, 0.5, 0.75, 1].map(colour).join(",");
  const bar = el("span", { class: "ramp", style: `background:linear-gradient(90deg,${stops})` });
  return el("span", { class: "key" }, "0", bar, text(most, unit));
}

// ---- charts (ECharts)
function chart(section, option, height) {
  const place = el("div", { class: "chart", role: "img", "aria-label": section.dataset.title });
  section.append(place);
  const entry = { place, option, height, drawn: null };
  charts.push(entry);
  draw(entry);
  return entry;
}
function draw(entry) {
  entry.drawn?.dispose();
  if (!entry.place.isConnected) return charts.splice(charts.indexOf(entry), 1); // its place shows something else
  entry.drawn = null;
  if (!entry.place.clientWidth) return; // hidden
  const style = getComputedStyle(root);
  const [ink, dim, line] = ["--text", "--dim", "--line"].map((name) => style.getPropertyValue(name).trim());
  const axis = { axisLine: { lineStyle: { color: dim } }, axisLabel: { color: dim }, nameTextStyle: { color: dim },
    splitLine: { lineStyle: { color: line } } };
  const option = entry.option({ ink, dim, line, axis, width: entry.place.clientWidth - 24 });
  const { rows = 0 } = option.legend ?? {};
  entry.place.style.height = entry.height ? `${entry.height}px` : "";
  if (rows > 1) entry.place.style.height = `${entry.place.clientHeight + 24 * (rows - 1)}px`;
  entry.drawn = echarts.init(entry.place, null, { renderer: "svg" });
  entry.drawn.setOption(option);
}
const isPaper = () => root.classList.contains("paper");
// A long legend has pages on a screen, and all its rows on paper, which cannot turn them.
function legendOf(names, dim, width) {
  if (!isPaper()) return { type: "scroll", textStyle: { color: dim }, top: 0, rows: 1 };
  let rows = 1, used = 0;
  for (const name of names) {
    const wide = 42 + 7 * name.length;
    if (used && used + wide > width) [rows, used] = [rows + 1, 0];
    used += wide;
  }
  return { type: "plain", textStyle: { color: dim }, top: 0, rows };
}
// Round steps of bytes are powers of two.
function byteSteps(axis, values) {
  const most = Math.max(0, ...values);
  if (axis.unit !== "bytes" || axis.log || !most) return {};
  const interval = 2 ** Math.floor(Math.log2(most / 3));
  return { interval, max: Math.ceil(most / interval) * interval };
}
// A logarithmic axis of less than a decade would have no mark but its ends.
function isLog(axis, values) {
  return axis.log && Math.max(...values) >= 10 * Math.min(...values);
}
const tooltip = (extra) => ({ confine: true, textStyle: { fontSize: 12 }, ...extra });

const KINDS = {
  lines(section, { x, y, curves }) {
    const isNamed = curves.length > 1 || curves[0]?.style === "points";
    const places = [...new Set(curves.flatMap((curve) => curve.points.map((point) => point[0])))];
    const isAlone = places.length === 1; // an axis has no scale, and no curve a line
    chart(section, ({ dim, axis, width }) => {
      const legend = legendOf(isNamed ? curves.map((curve) => curve.name) : [], dim, width);
      return ({
      animation: false,
      color: CURVES,
      grid: { left: 12, right: 24, top: isNamed ? 22 + 24 * legend.rows : 30, bottom: 34, containLabel: true },
      legend: { ...legend, show: isNamed },
      tooltip: tooltip({ trigger: "axis", formatter: (points) => [`<b>${text(isAlone ? places[0] : points[0].value[0], x.unit)}</b>`,
        ...points.map((point) => `${point.marker}${echarts.format.encodeHTML(point.seriesName)}: ` +
          text(point.value[1], y.unit))].join("<br>") }),
      xAxis: { ...axis, type: isLog(x, places) ? "log" : "value",
        logBase: x.unit === "bytes" ? 2 : 10, name: x.name, nameLocation: "middle", nameGap: 26,
        ...(isLog(x, places) ? {} : byteSteps({ ...x, log: false }, places)),
        min: x.log || x.name === "seed" ? "dataMin" : null, minInterval: x.name === "seed" ? 1 : 0,
        ...(x.unit === "h" ? { interval: 3, max: "dataMax" } : {}),
        axisLabel: { color: dim, hideOverlap: true, formatter: (value) => text(+value, x.unit, 3) },
        ...(isAlone ? { type: "category", data: places.map(String), min: null, max: null } : {}) },
      yAxis: { ...axis, ...byteSteps(y, curves.flatMap((c) => c.points.map((p) => p[1] ?? 0))), type: y.log ? "log" : "value", name: header({ ...y, unit: ["s", "bytes", "bit/s"]
        .includes(y.unit) ? "" : y.unit }), nameTextStyle: { align: "left", color: dim },
        axisLabel: { color: dim, formatter: (value) => text(value, ["s", "bytes", "bit/s", "ratio"]
          .includes(y.unit) ? y.unit : "", 3) } },
      series: curves.map((curve, at) => ({ type: "line", name: curve.name,
        data: isAlone ? curve.points.map(([, value]) => [0, value]) : curve.points,
        step: { steps: "end", rates: "start" }[curve.style] ?? false, connectNulls: false,
        showSymbol: isAlone || (["measured", "points"].includes(curve.style) && curve.points.length < 60), symbolSize: 7,
        symbol: ["circle", "rect", "triangle", "diamond"][at % 4],
        lineStyle: { width: curve.style === "points" ? 0 : 2, type: curve.style === "reference" ? "dashed" : "solid" } })),
      });
    });
    return csv(["curve", header(x), header(y)], curves.flatMap((c) => c.points.map((p) => [c.name, ...p])));
  },

  bars(section, { value, rows }) {
    chart(section, ({ dim, axis, ink }) => ({
      animation: false,
      color: CURVES,
      grid: { left: 12, right: 112, top: 8, bottom: 24, containLabel: true },
      tooltip: tooltip({ formatter: (bar) => `${echarts.format.encodeHTML(bar.name)}: ${text(bar.value, value.unit)}` }),
      xAxis: { ...axis, ...byteSteps(value, rows.map((row) => row[1])), type: "value", axisLabel: { color: dim, hideOverlap: true,
        formatter: (each) => text(each, value.unit, 3) } },
      yAxis: { ...axis, type: "category", inverse: true, data: rows.map((row) => row[0]),
        axisLabel: { color: dim, width: Math.min(300, section.clientWidth * 0.42), overflow: "truncate" } },
      series: [{ type: "bar", data: rows.map((row) => row[1]), barMaxWidth: 22, label: { show: true,
        position: "right", color: ink, formatter: (bar) => text(bar.value, value.unit, 3) } }],
    }), Math.max(120, 40 + 26 * rows.length));
    return csv(["name", header(value)], rows);
  },

  table(section, { columns, rows }) {
    section.append(tableOf(columns, rows));
    return () => csv(columns.map(header), rows);
  },

  // A canvas, as there may be thousands of cells that change each second: data.cells and data.dark are read anew.
  heat(section, data) {
    const { measures, rows } = data, names = Object.keys(rows);
    const choice = el("select", { "aria-label": "coloured by", onchange: () => show() },
      ...measures.map((measure, at) => el("option", { value: at }, measure.name)));
    const key = el("span"), says = el("p", { class: "about", role: "status" }, "\u00a0");
    const canvas = el("canvas", { tabindex: 0, role: "img", "aria-label": section.dataset.title,
      onmousemove: (event) => point(Math.floor((event.offsetX - left) / step()), Math.floor(event.offsetY / 14)),
      onkeydown: (event) => {
        const [x, y] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key] ?? [];
        if (x == null) return;
        event.preventDefault();
        point(Math.max(0, at[0] + x), Math.max(0, at[1] + y));
      } });
    section.append(el("div", { class: "controls" }, el("label", {}, "coloured by ", choice), key),
      el("div", { class: "canvas" }, canvas), says);
    const left = 90, widest = Math.max(1, ...names.map((name) => rows[name].length));
    const step = () => Math.max(7, Math.min(28, (section.clientWidth - left - 6) / widest));
    let at = [0, 0];
    function point(column, row) {
      const name = names[row], port = rows[name]?.[column];
      if (port == null) return;
      at = [column, row];
      const values = data.cells[name]?.[column] ?? [];
      says.textContent = `${name}:${port}${[...data.dark].includes(`${name}:${port}`) ? " has no link" : ""}: ` +
        measures.map((each, place) => `${each.name} ${text(values[place], each.unit)}`).join(", ");
    }
    function show() {
      const place = +choice.value, style = getComputedStyle(root), wide = step();
      const value = (name, cell) => data.cells[name]?.[cell]?.[place];
      const most = Math.max(0, ...names.flatMap((name) => rows[name].map((_, cell) => value(name, cell) ?? 0)));
      const dark = new Set(data.dark);
      key.replaceChildren(ramp(most, measures[place].unit));
      canvas.width = left + wide * widest;
      canvas.height = 14 * names.length;
      const pen = canvas.getContext("2d");
      pen.font = "11px sans-serif";
      names.forEach((name, row) => {
        pen.fillStyle = style.getPropertyValue("--text");
        pen.fillText(name, 0, row * 14 + 11, left - 6);
        rows[name].forEach((port, cell) => {
          const found = value(name, cell);
          pen.fillStyle = dark.has(`${name}:${port}`) ? STATES.down[0] : found == null ? style.getPropertyValue("--line")
            : colour(most ? found / most : 0);
          pen.fillRect(left + cell * wide, row * 14, wide - 1, 13);
        });
      });
    }
    show();
    redraws.push(show);
    return () => csv(["switch", "port", ...measures.map(header)], names.flatMap((name) =>
      rows[name].map((port, cell) => [name, port, ...measures.map((_, place) => data.cells[name]?.[cell]?.[place])])));
  },

  blocks(section, { measures, rows }) {
    const choice = el("select", { "aria-label": "coloured by", onchange: () => show() },
      ...measures.map((measure, at) => el("option", { value: at }, measure.name)));
    const key = el("span");
    const grid = el("div", { class: "blocks" });
    section.append(el("div", { class: "controls" }, el("label", {}, "coloured by ", choice), key), grid);
    const show = () => {
      const at = +choice.value, { unit } = measures[at];
      const most = Math.max(0, ...rows.map((row) => row[at + 1] ?? 0));
      key.replaceChildren(ramp(most, unit));
      grid.replaceChildren(...rows.map((row) => {
        const value = row[at + 1];
        const back = value == null ? null : colour(most ? value / most : 0);
        const all = measures.map((each, place) => `${each.name}: ${text(row[place + 1], each.unit)}`);
        return el("div", { class: "block", tabindex: 0, title: [row[0], ...all].join("\n"),
          style: back ? `background:${back};color:${inkOn(back)}` : "background:var(--panel)" },
        el("b", {}, row[0]), text(value, unit));
      }));
    };
    show();
    redraws.push(show);
    return csv(["name", ...measures.map(header)], rows);
  },

  spans(section, data) {
    const { parts } = data; // may grow: redrawn then
    const high = () => Math.max(150, 80 + 26 * new Set(parts.map((part) => part[0])).size);
    const entry = chart(section, ({ dim, axis, width }) => {
      const names = [...new Set(parts.map((part) => part[0]))], groups = [...new Set(parts.map((part) => part[4]))];
      const legend = legendOf(groups, dim, width);
      const end = Math.max(0, ...parts.map((part) => part[2]));
      return ({
      animation: false,
      color: CURVES,
      grid: { left: 12, right: 24, top: 12 + 24 * legend.rows, bottom: 24, containLabel: true },
      legend: { ...legend, data: groups },
      tooltip: tooltip({ formatter: ({ value }) => `${echarts.format.encodeHTML(value[3])}<br>` +
        `${text(value[1], "s")} to ${text(value[2], "s")}` }),
      xAxis: { ...axis, type: "value", max: end, axisLabel: { color: dim, hideOverlap: true,
        formatter: (value) => text(value, "s", 3) } },
      yAxis: { ...axis, type: "category", inverse: true, data: names, axisLabel: { color: dim,
        width: Math.min(220, section.clientWidth * 0.35), overflow: "truncate" } },
      dataZoom: [{ type: "inside", filterMode: "weakFilter" }],
      series: groups.map((group) => ({ type: "custom", name: group, clip: true, encode: { x: [1, 2], y: 0 },
        data: parts.filter((part) => part[4] === group).map((part) => [names.indexOf(part[0]), ...part.slice(1)]),
        renderItem(_, api) {
          const [x0, y] = api.coord([api.value(1), api.value(0)]), [x1] = api.coord([api.value(2), api.value(0)]);
          const high = Math.max(4, api.size([0, 1])[1] * 0.6);
          return { type: "rect", shape: { x: x0, y: y - high / 2, width: Math.max(2, x1 - x0), height: high },
            style: { fill: api.visual("color") } };
        } })),
      });
    }, high());
    data.redraw = () => { entry.height = high(); draw(entry); };
    return () => csv(["row", "begin (s)", "end (s)", "label", "group"], parts);
  },

  tree(section, { value, roots }) {
    const rows = [];
    const list = (node, depth, path) => {
      rows.push([[...path, node.name].join(" < "), node.value]);
      const name = el("span", {}, `${node.name}: `, el("b", {}, text(node.value, value.unit)));
      if (!node.children.length) return el("li", {}, name);
      const inner = el("ul", {}, ...node.children.map((each) => list(each, depth + 1, [...path, node.name])));
      return el("li", {}, el("details", { open: depth < 2 }, el("summary", {}, name), inner));
    };
    section.append(el("ul", { class: "tree" }, ...roots.map((each) => list(each, 0, []))));
    return csv(["path", header(value)], rows);
  },

  fabric: drawFabric,
};

// ---- tables
function tableOf(columns, rows, pick) {
  const place = el("div");
  let order = null, isUp = false, needle = "", isAll = false;
  const isNumber = columns.map((_, at) => rows.some((row) => typeof row[at] === "number"));
  const body = el("tbody"), more = el("div", { class: "more" });
  const heads = columns.map((column, at) => el("th", { class: isNumber[at] ? "num" : "", scope: "col" },
    el("button", { onclick: () => { isUp = order === at ? !isUp : !isNumber[at]; order = at; show(); } }, column.name)));
  const show = () => {
    let chosen = needle ? rows.filter((row) => row.some((cell) => String(cell).toLowerCase().includes(needle))) : rows;
    if (order !== null) {
      const compare = (a, b) => (isUp ? 1 : -1) * (isNumber[order] ? a - b : String(a).localeCompare(b));
      chosen = [...chosen].sort(({ [order]: a }, { [order]: b }) => (a == null) - (b == null) || (a == null ? 0 : compare(a, b)));
    }
    heads.forEach((head, at) => head.setAttribute("aria-sort", order !== at ? "none" : isUp ? "ascending" : "descending"));
    const shown = isAll ? chosen : chosen.slice(0, SHOWN);
    body.replaceChildren(...shown.map((row) => el("tr", pick ? { class: "pick", tabindex: 0, onclick: () => pick(row),
      onkeydown: (event) => { if (event.key === "Enter") pick(row); } } : {},
    ...columns.map((column, at) => {
      const plain = text(row[at], column.unit);
      return el("td", { class: isNumber[at] ? "num" : plain.length > 60 ? "long" : "" }, plain);
    }))));
    more.replaceChildren(chosen.length > shown.length ? `${shown.length} of ${chosen.length} rows ` : "",
      ...(chosen.length > shown.length ? [el("button", { onclick: () => { isAll = true; show(); } }, "show all")] : []));
  };
  if (rows.length > 12) {
    place.append(el("div", { class: "controls" }, el("input", { type: "search", placeholder: "search", "aria-label":
      "search rows", oninput: (event) => { needle = event.target.value.toLowerCase(); show(); } })));
  }
  place.append(el("div", { class: "scroll", tabindex: 0 }, el("table", {}, el("thead", {}, el("tr", {}, ...heads)), body)), more);
  show();
  return place;
}

// ---- the fabric
function drawFabric(section, { devices, measures, links, flows, samples, series }) {
  const tiers = [...new Set(devices.map((device) => device[1]))];
  const open = new Set();
  let zoom = 1;
  const choice = el("select", { "aria-label": "links coloured by", onchange: () => show() },
    ...(measures.length ? measures.map((each, at) => el("option", { value: at }, each.name))
      : [el("option", { value: -1 }, "state")]));
  const key = el("span"), canvas = el("div", { class: "canvas", tabindex: 0 }), detail = el("div");
  const zoomed = (factor) => { zoom = Math.min(6, Math.max(0.5, zoom * factor)); show(); };
  section.append(el("div", { class: "controls" }, el("label", {}, "links coloured by ", choice), key,
    el("button", { onclick: () => zoomed(1.4), "aria-label": "zoom in" }, "+"),
    el("button", { onclick: () => zoomed(1 / 1.4), "aria-label": "zoom out" }, "\u2212"),
    el("button", { onclick: () => { zoom = 1; open.clear(); detail.replaceChildren(); show(); } }, "reset"),
    ...Object.entries(STATES).filter(([state]) => links.some((link) => link[5] === state)).map(([state, [stroke, dash]]) =>
      el("span", { class: "key" }, svgKey(stroke, dash), `${links.filter((l) => l[5] === state).length} ${state}`))),
  canvas, detail);

  // A tier of many devices is bunched; a bunch that is open shows its devices.
  function boxes() {
    const all = [], of = [];
    for (const tier of tiers) {
      const members = devices.flatMap((device, at) => (device[1] === tier ? [at] : []));
      const size = members.length <= ROW ? 1 : 2 ** Math.ceil(Math.log2(members.length / (ROW * 0.7)));
      const row = [];
      for (let from = 0; from < members.length; from += size) {
        const bunch = members.slice(from, from + size), name = `${tier} ${from}`;
        if (size === 1 || open.has(name)) row.push(...bunch.map((at) => ({ tier, name, members: [at], bunch: size > 1 })));
        else row.push({ tier, name, members: bunch, bunch: true });
      }
      row.forEach((box) => box.members.forEach((at) => { of[at] = box; }));
      all.push(row);
    }
    return { all, of };
  }
  const label = ({ members }) => members.length === 1 ? [devices[members[0]][0]]
    : [devices[members[0]][0], `\u2026 ${devices[members[members.length - 1]][0]}`, `(${members.length})`];

  function show() {
    const at = +choice.value, measure = measures[at];
    const most = measure ? Math.max(0, ...links.flatMap((link) => [link[6][at] ?? 0, link[7][at] ?? 0])) : 0;
    const { all, of } = boxes();
    const width = Math.max(300, canvas.clientWidth - 4);
    const widest = Math.max(...all.map((row) => row.length));
    const slot = Math.max(62, (width - MARGIN) / widest), full = Math.max(width, MARGIN + slot * widest), gap = 150;
    // A narrow screen shows all of it smaller, as far as it can be read, and scrolls for the rest.
    const scale = zoom * Math.max(0.55, Math.min(1, width / full));
    all.forEach((row, tier) => row.forEach((box, place) => {
      const lines = label(box);
      box.lines = lines;
      box.width = Math.min((full - MARGIN) / row.length - 4, Math.max(...lines.map((each) => each.length)) * 6.6 + 10);
      box.height = lines.length * 13 + 8;
      box.x = MARGIN + ((full - MARGIN) * (place + 0.5)) / row.length;
      box.y = 10 + tier * gap;
    }));
    const bundles = new Map();
    for (const link of links) {
      const [low, high] = [of[link[0]], of[link[1]]];
      const name = `${low.tier}${low.x}|${high.tier}${high.x}`;
      if (!bundles.has(name)) bundles.set(name, { low, high, links: [], most: 0, states: new Set() });
      const bundle = bundles.get(name);
      bundle.links.push(link);
      if (measure) bundle.most = Math.max(bundle.most, link[6][at] ?? 0, link[7][at] ?? 0);
      if (link[5]) bundle.states.add(link[5]);
    }
    const height = 10 + (all.length - 1) * gap + 60;
    key.replaceChildren(measure ? ramp(most, measure.unit) : "", full * scale > width + 1 && !isPaper() ? " (scrolls to the right)" : "");
    const drawing = svg("svg", { class: "fabric", width: full * scale, height: height * scale,
      viewBox: `0 0 ${full} ${height}`, role: "group", "aria-label": "fabric by tier" });
    const ordered = [...bundles.values()].sort((a, b) => a.states.size - b.states.size || a.most - b.most);
    for (const bundle of ordered) {
      const [upper, lower] = bundle.low.y < bundle.high.y ? [bundle.low, bundle.high] : [bundle.high, bundle.low];
      const path = (shift) => `M${upper.x + shift},${upper.y + upper.height} L${lower.x + shift},${lower.y}`;
      const isSame = upper.y === lower.y;
      const line = isSame ? () => `M${upper.x},${upper.y} Q${(upper.x + lower.x) / 2},${upper.y - 30} ${lower.x},${lower.y}` : path;
      const name = `${names(bundle.low)} - ${names(bundle.high)}: ${bundle.links.length} link${bundle.links.length > 1 ? "s" : ""}` +
        (measure ? `, ${measure.name} at most ${text(bundle.most, measure.unit)}` : "") +
        [...bundle.states].map((state) => `, ${bundle.links.filter((each) => each[5] === state).length} ${state}`).join("");
      const stroke = !measure || !most ? "var(--flat)" : bundle.most ? colour(bundle.most / most) : "var(--line)";
      const thick = Math.min(4, 1 + Math.log2(bundle.links.length) * 0.4) + (bundle.most === most && most ? 0.8 : 0);
      const chosen = () => list(bundle);
      const group = svg("g", { onclick: chosen }, svg("title", {}, name),
        svg("path", { d: line(0), class: "link", stroke: "transparent", "stroke-width": 9 }));
      if ([...bundle.links].some((each) => !each[5])) {
        group.append(svg("path", { d: line(0), class: "link", stroke, "stroke-width": thick }));
      }
      [...bundle.states].forEach((state, shift) => group.append(svg("path", { d: line(3 * shift), class: "link",
        stroke: STATES[state][0], "stroke-dasharray": STATES[state][1], "stroke-width": 2.2 })));
      drawing.append(group);
    }
    all.forEach((row, tier) => {
      const count = devices.filter((device) => device[1] === tiers[tier]).length;
      drawing.append(svg("text", { x: 4, y: 24 + tier * gap, class: "tier" }, `${count} ${TIERS[tiers[tier]] ?? tiers[tier]}`));
      for (const box of row) {
        const toggle = () => {
          if (box.bunch) { if (!open.delete(box.name)) open.add(box.name); show(); }
          list({ low: box, high: null, links: links.filter((link) => box.members.includes(link[0]) || box.members.includes(link[1])) });
        };
        const group = svg("g", { class: `box${box.bunch && box.members.length === 1 ? " open" : ""}`, tabindex: 0, role: "button",
          onclick: toggle, onkeydown: (event) => { if (event.key === "Enter") toggle(); } },
        svg("title", {}, [names(box), devices[box.members[0]][2]].filter(Boolean).join("; ")),
        svg("rect", { x: box.x - box.width / 2, y: box.y, width: box.width, height: box.height, rx: 3 }));
        box.lines.forEach((line, place) => {
          const most = Math.floor((box.width - 4) / 6.7);
          group.append(svg("text", { x: box.x, y: box.y + 14 + 13 * place, "text-anchor": "middle" }, shortened(line, most)));
        });
        drawing.append(group);
      }
    });
    canvas.replaceChildren(drawing);
  }
  const names = (box) => box.members.length === 1 ? devices[box.members[0]][0]
    : `${devices[box.members[0]][0]} \u2026 ${devices[box.members[box.members.length - 1]][0]}`;

  const columns = [{ name: "link", unit: "" }, { name: "speed", unit: "bit/s" }, { name: "state", unit: "" }, ...measures];
  const directions = (some) => some.flatMap(([a, b, pa, pb, speed, state, there, back]) => {
    const [here, far] = [`${devices[a][0]}:${pa}`, `${devices[b][0]}:${pb}`];
    return [[`${here} -> ${far}`, there], [`${far} -> ${here}`, back]].map(([name, values]) =>
      [name, speed, state || "up", ...measures.map((_, at) => values[at] ?? null)]);
  });
  function list({ low, high, links: some }) {
    const title = el("h3", {}, high ? `${names(low)} - ${names(high)}` : names(low));
    const link = el("div");
    const rows = directions(some);
    if (measures.length) rows.sort((a, b) => (b[3] ?? -1) - (a[3] ?? -1));
    const hint = measures.length ? [el("p", { class: "about" }, flows ? "Click a row for what flowed there." : "Click a row for how it was.")] : [];
    detail.replaceChildren(title, ...hint, tableOf(columns, rows, (row) => one(link, row[0])), link);
  }
  function one(place, name) {
    const [count, met, some] = flows?.links[name] ?? [0, 0, []];
    const seen = samples?.links[name];
    place.replaceChildren(el("h3", {}, name));
    if (flows) {
      place.append(el("p", { class: "about" }, !count ? "No flow went here." : `${count} flow${count > 1 ? "s" : ""} went here` +
        (count > some.length ? `; the ${some.length} with most bytes:` : ":") + (met > 1 ? ` (${met} of one step at once)` : "")));
      if (count) place.append(tableOf([{ name: "flow", unit: "" }, { name: "payload", unit: "bytes" }], some.map(([at, bytes]) => [flows.names[at], bytes])));
    }
    if (seen) {
      place.dataset.title = name;
      for (const [title, unit, style, curves] of samples.measures.map((each, at) => [...each, seen[at]])) {
        KINDS.lines(place, { x: { name: "time", unit: "s" }, y: { name: title, unit },
          curves: curves.map(([curve, points]) => ({ name: curve, style, points })) });
      }
    } else if (samples) place.append(el("p", { class: "about" }, "Nothing was sampled of this link."));
    else if (series) place.append(el("p", { class: "about" }, series));
  }
  canvas.addEventListener("wheel", (event) => {
    if (event.ctrlKey) { event.preventDefault(); zoomed(event.deltaY < 0 ? 1.15 : 1 / 1.15); }
  }, { passive: false });
  redraws.push(show);
  requestAnimationFrame(show);
  return () => csv(columns.map(header), directions(links));
}
function svgKey(stroke, dash) {
  return svg("svg", { width: 28, height: 8 }, svg("path", { d: "M0,4 L28,4", stroke, "stroke-dasharray": dash, "stroke-width": 2.2 }));
}

// ---- the page
const redraws = [];
function theme(name) {
  root.dataset.theme = name;
  redraws.forEach((redraw) => redraw());
  [...charts].forEach(draw);
}
function build() {
  root.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const main = el("main");
  document.body.append(main);
  main.append(el("header", {}, el("h1", {}, page.title),
    el("button", { class: "theme", onclick: () => theme(isDark() ? "light" : "dark") }, "light / dark"),
    el("p", { class: "sub" }, page.subtitle)));
  if (page.verdict) {
    main.append(el("div", { class: `verdict ${page.state}`, role: "status" }, el("b", {}, { ok: "ok: ", failed: "failed: " }[page.state] ?? ""),
      page.verdict, page.findings.length ? el("ul", {}, ...page.findings.map((each) => el("li", {}, each))) : null));
  }
  if (page.facts.length) {
    main.append(el("dl", { class: "facts" }, ...page.facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))));
  }
  if (page.notes.length) main.append(el("ul", { class: "notes" }, ...page.notes.map((each) => el("li", {}, each))));
  const ids = page.figures.map((figure, at) => `figure-${at}-${slug(figure.title)}`);
  if (ids.length > 1) {
    main.append(el("nav", { "aria-label": "figures" }, ...page.figures.map((figure, at) => el("a", { href: `#${ids[at]}` }, figure.title))));
  }
  page.figures.forEach((figure, at) => {
    const head = el("div", { class: "head" }, el("h2", {}, figure.title));
    const section = el("section", { id: ids[at] }, head, el("p", { class: "about" }, figure.about));
    section.dataset.title = figure.title;
    section.dataset.kind = figure.kind;
    main.append(section);
    const data = KINDS[figure.kind](section, figure.data);
    head.append(el("button", { onclick: () => download(`${slug(figure.title)}.csv`, typeof data === "function" ? data() : data) }, "CSV"));
  });
  let wait;
  addEventListener("resize", () => {
    clearTimeout(wait);
    wait = setTimeout(() => { charts.forEach((each) => each.place.isConnected && each.drawn?.resize()); redraws.forEach((redraw) => redraw()); }, 120);
  });
  addEventListener("beforeprint", () => paper(true));
  addEventListener("afterprint", () => paper(false));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => theme(event.matches ? "dark" : "light"));
}
// On paper the page is light and as wide as a sheet, and what was measured to the window is drawn anew.
let onScreen = null;
function paper(isPaper) {
  if (isPaper) onScreen = isDark() ? "dark" : "light";
  root.classList.toggle("paper", isPaper);
  theme(isPaper ? "light" : onScreen);
}
build();
