// Fills the page from what the server tells each second (/events), and starts benches.
{
  const KEPT = 300; // samples of a port that the page remembers
  const data = (kind, title) => page.figures.find((each) => each.kind === kind && (!title || each.title === title)).data;
  const fabric = data("fabric"), ports = data("heat");
  const told = el("div", { class: "verdict", role: "status" }, "waiting for the first sample");
  document.querySelector("header").after(told);
  const state = new Map(fabric.links.map((link) => [link, link[5]])); // as the fabric file has it

  function fill(title, rows) {
    const section = sectionOf(title);
    const { columns, rows: held } = data("table", title);
    if (JSON.stringify(held) === JSON.stringify(rows)) return;
    held.splice(0, held.length, ...rows);
    section.lastElementChild.replaceWith(tableOf(columns, held));
  }
  function values(switches) {
    const sent = new Map();
    for (const [name, each] of Object.entries(switches)) {
      ports.rows[name].forEach((port, at) => sent.set(`${name}:${port}`, [each.values[at] ?? [], each.received[at]]));
    }
    return sent;
  }
  function remember(name, now_s, row) {
    if (!row.length) return;
    const curves = fabric.samples.links[name] ??= fabric.measures.map(() => [["now", []]]);
    row.forEach((value, at) => {
      const points = curves[at][0][1];
      points.push([now_s, value]);
      if (points.length > KEPT) points.shift();
    });
  }
  function show(found) {
    const sent = values(found.switches), start = found.time_s - opened_s;
    const dark = new Set(Object.entries(found.switches).flatMap(([name, each]) => each.down.map((port) => `${name}:${port}`)));
    const drains = new Set(found.controller.drains ?? []);
    for (const link of fabric.links) {
      const ends = [[link[0], link[2]], [link[1], link[3]]].map(([at, port]) => `${fabric.devices[at][0]}:${port}`);
      const isDrained = [link[0], link[1]].some((at) => drains.has(fabric.devices[at][0]));
      link[5] = ends.some((end) => dark.has(end)) ? "down" : isDrained ? "drained" : state.get(link);
      ends.forEach((end, at) => {
        const far = sent.get(ends[1 - at]);
        link[6 + at] = sent.has(end) ? sent.get(end)[0] : far?.[1] == null ? [] : [far[1], ...fabric.measures.slice(1).map(() => null)];
        remember(`${end} -> ${ends[1 - at]}`, start, link[6 + at]);
      });
    }
    ports.cells = Object.fromEntries(Object.entries(found.switches).map(([name, each]) => [name, each.values]));
    ports.dark = dark;
    redraws.forEach((redraw) => redraw());
    fill("Switches", Object.entries(found.switches).map(([name, each]) => [name, each.state, each.differences,
      each.down.join(", "), each.problem || (each.is_simulated ? "simulated time" : "as they come"), each.text]));
    // Of today the hour alone, so that a narrow screen has room for what happened.
    const today = new Date(found.time_s * 1000).toISOString().slice(0, 11);
    const when = (time) => time.startsWith(today) ? time.slice(11, 23) : time.slice(0, 19).replace("T", " ");
    const rows = found.events.map((each) => [when(each.time), each.kind, each.switch, each.text + (each.seconds ? ` (${text(each.seconds, "s")})` : "")]);
    fill("Events", rows);
    fill("Updates", rows.filter((row) => ["update", "repair", "mend", "state"].includes(row[1])));
    rounds(found.events);
    tenants(sent);
    fill("Rows of the latest bench", found.jobs.length ? found.jobs[found.jobs.length - 1].rows : []);
    fill("Benches", found.jobs.map((job) => [job.number, job.collective, job.state, job.says]));
    judge(found);
    jobs(found);
  }
  const sectionOf = (title) => [...document.querySelectorAll("section")].find((each) => each.dataset.title === title);
  const toRounds = [...document.querySelectorAll("nav a")].find((each) => each.textContent === "Rounds");
  // No axis without a bar, as where there is no controller.
  const showRounds = (isShown) => { for (const each of [sectionOf("Rounds"), toRounds]) if (each) each.hidden = !isShown; };
  showRounds(false);
  // Rounds that took time, from when each began; in seconds since the page was opened.
  function rounds(events) {
    const { parts, ...figure } = data("spans");
    const known = new Set(parts.map((part) => part[3]));
    const fresh = events.filter((each) => each.seconds && ["update", "repair", "mend"].includes(each.kind)).map((each) => {
      const end = Date.parse(each.time) / 1000 - opened_s;
      return [each.switch || each.kind, end - each.seconds, end, `${each.time} ${each.text}`, each.kind];
    }).filter((part) => part[2] >= 0 && !known.has(part[3]));
    if (fresh.length) { parts.push(...fresh.reverse()); showRounds(true); figure.redraw(); }
  }
  function tenants(sent) {
    const found = page.figures.find((each) => each.title === "Tenants");
    if (!found) return;
    const sums = new Map(found.data.rows.map((row) => [row[0], [null, null, null, null]]));
    const add = (sum, at, value) => { if (value != null) sum[at] = (sum[at] ?? 0) + value; };
    for (const [a, b, pa, pb, speed] of fabric.links) {
      const [host, [, port], device] = fabric.devices[a][1] === "host" ? [fabric.devices[a], [b, pb], fabric.devices[b]]
        : [fabric.devices[b], [a, pa], fabric.devices[a]];
      const sum = sums.get(host[2]), [values, received] = sent.get(`${device[0]}:${port}`) ?? [[], null];
      if (!sum) continue;
      add(sum, 0, received == null ? null : received * speed);
      add(sum, 1, values[0] == null ? null : values[0] * speed);
      add(sum, 2, values[2]);
      add(sum, 3, values[5]);
    }
    found.data.rows.forEach((row) => row.splice(1, 4, ...sums.get(row[0])));
  }
  function judge(found) {
    const all = Object.entries(found.switches), { controller } = found;
    const wrong = [
      ...(controller.problem ? [controller.problem] : []),
      ...(controller.is_paused ? ["the controller is paused"] : []),
      ...(controller.cut_off ?? []).map((each) => `${each} is cut off: no way leads there`),
      ...(controller.apart ?? []).map((each) => `no way between hosts of ${each}`),
      ...(controller.drains ?? []).map((each) => `${each} is drained`),
      ...all.filter(([, each]) => !["in sync", "unknown"].includes(each.state)).map(([name, each]) => `${name}: ${each.state}${each.text ? `, ${each.text}` : ""}`),
      ...all.filter(([, each]) => each.problem && each.state !== "unreachable").map(([name, each]) => `${name} gives no counters: ${each.problem}`),
      ...found.dead_links.map((each) => `no link: ${each}`),
    ];
    const waits = all.some(([, each]) => each.state === "unknown");
    told.className = `verdict ${wrong.length ? "failed" : waits ? "" : "ok"}`;
    told.replaceChildren(wrong.length ? `${wrong.length} thing${wrong.length > 1 ? "s are" : " is"} not well` : waits ? "not all switches are compared yet"
      : "all switches hold what is planned, and all links are up",
    controller.under_way ? `; revision ${controller.under_way} is under way` : controller.revision ? `; revision ${controller.revision}` : "",
    wrong.length ? el("ul", {}, ...wrong.slice(0, 12).map((each) => el("li", {}, each))) : "");
  }

  // ---- benches
  const choice = el("select", { "aria-label": "collective" }), size = el("input", { value: "1M", "aria-label": "size", size: 6 });
  const largest = el("input", { value: "16M", "aria-label": "largest size", size: 6 });
  const links = el("span");
  const bench = sectionOf("Benches");
  bench.querySelector(".about").after(el("div", { class: "controls ask" }, choice, size, "to", largest,
    el("button", { class: "start", onclick: start }, "start a bench"), links));
  async function start() {
    const answer = await fetch("/benches", { method: "POST", headers: { "Content-Type": "application/json", "X-Raddle": "1" },
      body: JSON.stringify({ collective: choice.value, size: size.value, largest: largest.value }) });
    if (!answer.ok) links.replaceChildren(await answer.text());
  }
  function jobs({ collectives, jobs: all }) {
    if (!choice.children.length) choice.append(...collectives.map((each) => el("option", {}, each)));
    if (all.length) {
      links.replaceChildren(...all.filter((job) => job.has_page).map((job) =>
        el("a", { href: `/benches/${job.number}`, target: "_blank" }, `page of ${job.number} `)));
    }
  }

  let opened_s = null;
  const source = new EventSource("/events");
  source.onmessage = (message) => {
    const found = JSON.parse(message.data);
    opened_s ??= found.time_s;
    show(found);
  };
  source.onerror = () => { told.className = "verdict failed"; told.replaceChildren("raddle serve does not answer; what is shown is old"); };
}
