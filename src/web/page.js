"use strict";
// The status page. It asks /api/v1/ and shows what it is told. All of it goes into the page as text
// (textContent), and what has no shape on a screen is written out by visible().
(() => {
  const RATES_MS = 2000, LISTS_MS = 5000, WALKS_MS = 10000, SHOWN = 300;
  const SVG = "http://www.w3.org/2000/svg";
  const CARDS = [
    ["lines", "Lines", "count"], ["samples", "Samples", "count"], ["events", "Events applied", "count"],
    ["datagrams", "Datagrams", "count"], ["bytes", "Bytes", "bytes"],
    ["lost_datagrams", "Lost datagrams", "count", true], ["unmapped", "Unmapped", "count"],
    ["dropped", "Dropped by the mapping", "count"], ["series_born", "Series created", "count"],
    ["series_expired", "Series expired", "count"], ["connections", "Connections", "count"],
    ["scrapes", "Scrapes", "count"],
  ];
  const $ = (id) => document.getElementById(id);
  const rates = new Map(), refusedRates = new Map(), cards = new Map();
  let since = 0, paused = false, lines = null, noPortBefore = null;

  // ---- text ----

  const SHAPELESS = /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
  const visible = (text) => String(text).replace(SHAPELESS,
    (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));

  function el(name, text, kind) {
    const node = document.createElement(name);
    if (text !== undefined && text !== null) node.textContent = visible(text);
    if (kind) node.className = kind;
    return node;
  }

  function number(n) {
    if (n === null || n === undefined) return "";
    if (typeof n !== "number") return String(n);
    const size = Math.abs(n);
    if (size >= 1e9) return (n / 1e9).toFixed(2) + " G";
    if (size >= 1e6) return (n / 1e6).toFixed(2) + " M";
    if (size >= 1e4) return (n / 1e3).toFixed(1) + " k";
    return size >= 100 || Number.isInteger(n) ? String(Math.round(n)) : n.toFixed(size >= 1 ? 1 : 2);
  }

  function bytes(n) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let at = 0;
    while (n >= 1024 && at < units.length - 1) { n /= 1024; at++; }
    return (at === 0 ? number(n) : n.toFixed(1)) + " " + units[at];
  }

  function age(seconds) {
    if (seconds === null || seconds === undefined) return "never";
    if (seconds < 1) return "now";
    if (seconds < 100) return Math.round(seconds) + " s ago";
    if (seconds < 6000) return Math.round(seconds / 60) + " min ago";
    return seconds < 172800 ? Math.round(seconds / 3600) + " h ago" : Math.round(seconds / 86400) + " d ago";
  }

  // ---- tables ----

  // columns: [heading, (row) => text or node, class]; the first is the row's own heading.
  function table(where, label, columns, rows, none) {
    if (rows.length === 0) {
      const said = el("p", none, "note");
      $(where).replaceChildren(said);
      return;
    }
    let frame = $(where).querySelector(".scroll");
    if (!frame) {
      frame = el("div", null, "scroll");
      frame.tabIndex = 0;
      frame.setAttribute("role", "region");
      $(where).replaceChildren(frame);
    }
    frame.setAttribute("aria-label", label);
    const made = el("table"), head = el("tr"), body = el("tbody"), top = el("thead");
    for (const [heading, , kind] of columns) {
      const cell = el("th", heading, kind);
      cell.scope = "col";
      head.append(cell);
    }
    for (const row of rows) {
      const line = el("tr", null, row.never ? "never" : "");
      columns.forEach(([, show, kind], i) => {
        const cell = el(i === 0 ? "th" : "td", null, kind), shown = show(row);
        if (i === 0) cell.scope = "row";
        if (shown instanceof Node) cell.append(shown); else cell.textContent = visible(shown ?? "");
        line.append(cell);
      });
      body.append(line);
    }
    top.append(head);
    made.append(top, body);
    const at = frame.scrollTop;
    frame.replaceChildren(made);
    frame.scrollTop = at;
  }

  const code = (text) => el("code", text);

  // Where a rule stands: short, the whole path by pointing at it.
  const place = (rule) => `${(rule.file ?? "").split("/").pop()}:${rule.line}`;

  function placed(rule) {
    const node = el("span", place(rule));
    node.title = visible(`${rule.file}:${rule.line}`);
    return node;
  }

  function hiddenLine(row) {
    if (row.line === null) return el("span", "visible only to local or authenticated clients", "note");
    return code(row.line + (row.line_cut ? " \u2026" : ""));
  }

  function list(where, pairs) {
    const made = el("dl");
    for (const [name, value, kind] of pairs) made.append(el("dt", name), el("dd", value, kind));
    $(where).replaceChildren(made);
  }

  // ---- rates ----

  function sparkline(values) {
    const most = Math.max(...values, 1e-9), n = Math.max(values.length - 1, 1);
    const points = values.map((v, i) => `${(i * 100 / n).toFixed(2)},${(29 - v * 28 / most).toFixed(2)}`);
    return "M0,30 L" + points.join(" L") + " L100,30";
  }

  function card(where, key, heading, bad) {
    if (cards.has(where + key)) return cards.get(where + key);
    const box = el("div", null, "card"), picture = document.createElementNS(SVG, "svg");
    const path = document.createElementNS(SVG, "path"), value = el("p");
    picture.setAttribute("viewBox", "0 0 100 30");
    picture.setAttribute("preserveAspectRatio", "none");
    picture.setAttribute("role", "img");
    picture.append(path);
    box.append(el("h3", heading), value, picture);
    $(where).append(box);
    const made = { box, value, picture, path, heading, bad };
    cards.set(where + key, made);
    return made;
  }

  function showCard(made, values, total, unit) {
    const write = unit === "bytes" ? bytes : number;
    const last = values.slice(-3), now = last.length ? last.reduce((a, b) => a + b, 0) / last.length : 0;
    const all = el("small", `${write(total)} total`);
    made.value.replaceChildren(document.createTextNode(write(now) + " "), el("small", "/s"), all);
    made.box.classList.toggle("bad", Boolean(made.bad) && values.some((v) => v > 0));
    made.path.setAttribute("d", sparkline(values.length ? values : [0]));
    made.picture.setAttribute("aria-label",
      `${made.heading} per second in the last ${values.length} s: now ${write(now)}, maximum ${write(Math.max(0, ...values))}`);
  }

  function take(into, told, from) {
    for (const [name, values] of Object.entries(told)) {
      const before = from === 0 || !into.has(name) ? [] : into.get(name);
      into.set(name, before.concat(values).slice(-SHOWN));
    }
  }

  async function askRates() {
    const told = await get("/api/v1/rates?since=" + since);
    const fresh = told.from !== since;
    if (fresh) { rates.clear(); refusedRates.clear(); }
    take(rates, told.rates, fresh ? 0 : told.from);
    take(refusedRates, told.refused_rates, fresh ? 0 : told.from);
    since = told.end;
    lines = told.totals.lines;
    for (const [key, heading, unit, bad] of CARDS)
      showCard(card("rates", key, heading, bad), rates.get(key) ?? [], told.totals[key] ?? 0, unit);
    const names = Object.keys(told.refused_totals);
    for (const name of names)
      showCard(card("reasons", name, name, true), refusedRates.get(name) ?? [], told.refused_totals[name], "count");
    let none = $("reasons").querySelector(".note");
    if (names.length === 0 && !none) $("reasons").append(el("p", "Nothing was refused.", "note"));
    if (names.length > 0 && none) none.remove();
  }

  // ---- lists ----

  async function askRefused() {
    const told = await get("/api/v1/refused");
    const rows = told.refused.sort((a, b) => a.age_seconds - b.age_seconds);
    table("refused", "Refused lines", [
      ["Reason", (r) => r.reason], ["Line", hiddenLine], ["Sender", (r) => r.source ?? ""],
      ["Received", (r) => age(r.age_seconds), "n"],
    ], rows, "No refused lines.");
  }

  async function askUnmapped() {
    const told = await get("/api/v1/unmapped");
    table("unmapped", "Unmapped names", [
      ["Name", (r) => code(r.name + (r.name_cut ? " \u2026" : ""))], ["Example", hiddenLine],
      ["Identities", (r) => number(r.identities), "n"], ["Last new identity", (r) => age(r.last_identity_age_seconds), "n"],
    ], told.unmapped, "None, or the mapping has no rules.");
  }

  let sendersHidden = "";

  async function askSenders() {
    if (sendersHidden) {
      $("senders").replaceChildren(el("p", sendersHidden, "note"));
      return;
    }
    const told = await get("/api/v1/sources");
    table("senders", "Senders", [
      ["Address", (r) => r.address], ["Lines", (r) => number(r.lines), "n"],
      ["Possible overcount", (r) => number(r.lines_error), "n"],
      ["Datagrams", (r) => number(r.datagrams), "n"], ["Bytes", (r) => bytes(r.bytes), "n"],
      ["Refused lines", (r) => number(r.bad), "n"], ["Series created", (r) => number(r.series), "n"],
      ["Rate-limited", (r) => number(r.limited), "n"], ["Last seen", (r) => age(r.seconds_ago), "n"],
    ], told.sources, "No senders yet.");
  }

  // ---- families, labels, rules ----

  const query = (id) => encodeURIComponent($(id).value.trim());

  async function askFamilies() {
    const told = await get("/api/v1/families?limit=200&match=" + query("match-families"));
    table("families", "Families", [
      ["Family", (r) => code(r.name)], ["Type", (r) => r.type], ["Series", (r) => number(r.series), "n"],
      ["Last sample", (r) => age(r.last_seen_age_seconds), "n"], ["Help", (r) => r.help],
    ], told.families, told.total === 0 ? "No active families." : "No family name matches the filter.");
    $("h-families").textContent = `Metric families: ${told.families.length} of ${number(told.total)}, `
      + `${number(told.series)} series total`;
    table("labels", "Labels", [
      ["Label", (r) => code(r.name)],
      ["Values", (r) => (r.estimated ? "about " : "") + number(r.values), "n"],
      ["Series", (r) => number(r.series), "n"],
    ], told.labels, "None of these series has labels.");
  }

  async function askCardinality() {
    const told = await get("/api/v1/cardinality"), about = (n) => "about " + number(Math.round(n));
    table("hot", "Labels with the most values", [
      ["Family", (r) => code(r.family)], ["Label", (r) => code(r.label)],
      ["Values", (r) => about(r.values), "n"],
    ], told.top_labels, "No label has many values.");
    if (told.overflow_families.length === 0) {
      $("folded").replaceChildren();
      return;
    }
    table("folded", "Families over a limit", [
      ["Family over a limit", (r) => code(r.name)], ["Identities", (r) => about(r.identities), "n"],
      ["Values by label", (r) => r.labels.map((l) => `${l.label}: ${about(l.values)}`).join(", ")],
    ], told.overflow_families, "");
  }

  async function askMapping() {
    const never = $("never").checked ? "&never=1" : "";
    const told = await get("/api/v1/mapping?limit=300&match=" + query("match-mapping") + never);
    const rows = told.rules.map((r) => ({ ...r, never: r.identities === 0 }));
    table("mapping", "Rules", [
      ["Rule", (r) => number(r.number)], ["Match", (r) => code(r.match)],
      ["Metric", (r) => r.action === "drop" ? "dropped" : code(r.name)], ["Defined at", placed],
      ["Identities matched", (r) => r.never ? "none yet" : number(r.identities), "n"],
      ["Last new identity", (r) => age(r.last_identity_age_seconds), "n"],
    ], rows, told.total === 0 ? "No rules: names are only escaped." : "No rule matches the filter.");
    $("mapping-state").textContent = told.total === 0 ? ""
      : `${told.total} rules; ${told.never} without a match since the mapping was loaded. An identity is a `
        + "name with its type and tags. It is counted when first seen, not per line.";
  }

  // ---- the server ----

  // A sender who names the wrong port is not heard; where his datagrams come to this machine, the
  // kernel counts them, among those of others.
  function tellSilence(told) {
    const n = told.udp_no_port_datagrams, of = n === 1 ? "datagram" : "datagrams";
    if (n !== null && noPortBefore === null) noPortBefore = n;
    $("no-port").replaceChildren(...(n ? [el("p", `Since the start, the server's machine received ${number(n)} ${of} for UDP `
      + `ports without a listener, ${number(n - noPortBefore)} of them while this page was open. A sender may use the wrong port.`, "note")] : []));
    const heard = lines !== 0 || told.listeners.some((l) => l.datagrams > 0);
    $("silence").replaceChildren(...(heard ? [] : [el("p", `No lines received since the start. The server listens on ${
      told.listeners.filter((l) => l.transport !== "admin").map((l) => `${l.transport} ${l.address}`).join(", ")}.`
      + (n ? ` But its machine received ${number(n)} ${of} for UDP ports without a listener: a sender may use the wrong port.` : ""), "bad-text")]));
  }

  async function askStatus() {
    const told = await get("/api/v1/status"), m = told.mapping;
    sendersHidden = !told.senders_known ? "Senders are not tracked. To track them, start the server with --statsd.sources=256."
      : told.lines_shown ? "" : "Senders are visible only to local or authenticated clients.";
    $("headline").textContent = `Version ${told.version}, up ${age(told.uptime_seconds).replace(" ago", "")}`;
    list("server", [
      ["Ready", told.ready ? "yes" : "no", told.ready ? "good" : "bad-text"],
      ["Mapping", m.files.length ? m.files.join(", ") : "none"],
      ["Rules", `${m.rules}, loaded ${age(m.loaded_age_seconds)}${m.watched ? ", watched for changes" : ""}`],
      ["Reloads", `${m.reloads_good} succeeded, ${m.reloads_failed} failed`
        + (m.warnings ? `; warnings of the last load: ${m.warnings}` : "")],
      ...(m.error ? [["Last reload", `failed, the previous rules stay active: ${m.error}`, "bad-text"]] : []),
      ["Flags set", told.flags.filter((f) => f.given).map((f) => `--${f.name}=${f.values.join(",")}`).join(" ") || "none"],
      ["Series limit", number(told.series_limit)], ["Ingest threads", told.ingest_threads],
      ["Memory", bytes(told.process.resident_bytes)],
      ["CPU time", `${told.process.cpu_seconds.toFixed(1)} s`],
      ["File descriptors", `${told.process.open_fds} of ${told.process.max_fds}`], ["Process ID", told.process.pid],
    ]);
    tellSilence(told);
    table("listeners", "Listeners", [
      ["Transport", (r) => r.transport], ["Address", (r) => code(r.address)],
      ["Datagrams", (r) => number(r.datagrams), "n"], ["Lost", (r) => number(r.lost_datagrams), "n"],
      ["Receive buffer", (r) => r.receive_buffer_bytes ? bytes(r.receive_buffer_bytes)
        + (r.receive_buffer_bytes < r.receive_buffer_wanted_bytes ? `, ${bytes(r.receive_buffer_wanted_bytes)} recommended` : "") : "", "n"],
    ], told.listeners, "None.");
    table("flags", "Flags", [
      ["Flag", (r) => code("--" + r.name)], ["Value", (r) => code(r.values.join(" "))],
      ["", (r) => r.given ? "set" : "default"],
    ], told.flags.sort((a, b) => Number(b.given) - Number(a.given)), "");
  }

  // ---- explain ----

  const EFFECTS = { add: "adds", set: "sets", change: "changes by", observe: "observes", member: "adds the member" };

  function tellSample(sample) {
    const box = el("div", null, "told"), to = (text, kind) => box.append(el("p", text, kind));
    if (sample.type !== null) {
      const tags = Object.entries(sample.tags).map(([k, v]) => `${k}=${v}`).join(", ");
      const { op, value, times } = sample.effect;
      to(`Parsed as ${sample.kind} ${sample.name}` + (tags ? ` with tags ${tags}` : "")
        + `: ${EFFECTS[op]} ${value}` + (op === "observe" && times !== 1 ? `, ${times} times` : ""));
    }
    if (sample.outcome === "series") {
      const becomes = el("p", "Exposed as " + sample.series.type + " ");
      becomes.append(code(sample.series.text));
      box.append(becomes);
    } else if (sample.outcome === "refused") {
      box.classList.add("bad");
      const held = sample.conflict, words = !held ? "" : held.about === "type" ? `: ${held.with} is already a ${held.type}`
        : held.about === "suffix" ? `: sample names conflict with those of ${held.with}, a ${held.type}` : ": the name is reserved for this server's own metrics";
      to(`Refused: ${sample.reason}${words}; counted in ${sample.counter}`, "bad-text");
    } else {
      to(sample.outcome === "dropped" ? "Dropped by the mapping" : "Counts nothing, so creates no series");
    }
    const rules = el("ul");
    for (const near of sample.candidates)
      rules.append(el("li", `Rule ${near.rule.number} (${place(near.rule)}) ${near.rule.match}: ${near.why}`,
        near.verdict === "wins" ? "good" : ""));
    if (sample.type !== null && sample.rule === null) to("No rule matches.");
    if (sample.candidates.length) box.append(rules);
    if (sample.more_candidates) to(`and ${sample.more_candidates} more that almost match`);
    return box;
  }

  function tellLine(line) {
    const box = el("div");
    const head = el("h3");
    head.append(code(line.line));
    box.append(head);
    if (line.outcome === "samples") {
      box.append(...line.samples.map(tellSample));
      if (line.more_samples)
        box.append(el("p", `and ${line.more_samples} more samples, not shown; bacowr-statsd explain shows all`, "note"));
    } else {
      const words = { refused: `Refused: ${line.reason}, counted in ${line.counter}`, empty: "An empty line",
        event: "A DogStatsD event: counted, otherwise ignored", service_check: "A DogStatsD service check: counted, otherwise ignored" };
      const told = el("div", null, "told" + (line.outcome === "refused" ? " bad" : ""));
      told.append(el("p", words[line.outcome] ?? line.outcome, line.outcome === "refused" ? "bad-text" : ""));
      box.append(told);
    }
    return box;
  }

  async function explain(event) {
    event.preventDefault();
    try {
      const told = await get("/api/v1/explain", { method: "POST", body: $("lines").value });
      $("explained").replaceChildren(...told.lines.map(tellLine));
      if (!told.all) $("explained").append(el("p", "There were more lines: only the first ones are explained.", "note"));
    } catch (error) {
      $("explained").replaceChildren(el("p", error.status === 400 || error.status === 413
        ? "A line is too long for this page: use bacowr-statsd explain." : `Explaining failed: ${error.message}`, "bad-text"));
    }
  }

  // ---- asking ----

  async function get(path, options) {
    const answer = await fetch(path, { ...options, cache: "no-store", credentials: "same-origin" });
    if (!answer.ok) {
      const error = new Error(`HTTP status ${answer.status}`);
      error.status = answer.status;
      throw error;
    }
    return answer.json();
  }

  function tellState(text, bad) {
    if ($("state").textContent !== text) $("state").textContent = text;
    $("state").classList.toggle("bad", bad);
  }

  function every(ms, ask) {
    let busy = false;
    const turn = async () => {
      if (busy || paused || document.hidden) return;
      busy = true;
      try {
        await ask();
        tellState("Live", false);
      } catch (error) {
        tellState(`Update failed: ${error.message}`, true);
      }
      busy = false;
    };
    setInterval(turn, ms);
    document.addEventListener("visibilitychange", turn);
    turn();
    return turn;
  }

  function search(id, turn) {
    let timer;
    $(id).addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(turn, 250); });
  }

  $("pause").addEventListener("click", () => {
    paused = !paused;
    $("pause").setAttribute("aria-pressed", String(paused));
    $("pause").textContent = paused ? "Resume" : "Pause";
    if (paused) tellState("Paused", false);
  });
  for (const form of document.forms) if (form.id !== "explain") form.addEventListener("submit", (e) => e.preventDefault());
  $("explain").addEventListener("submit", explain);
  $("lines").addEventListener("keydown", (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) explain(e); });
  every(RATES_MS, askRates);
  every(LISTS_MS, askRefused);
  every(LISTS_MS, askUnmapped);
  every(LISTS_MS, async () => { await askStatus(); await askSenders(); });
  search("match-families", every(WALKS_MS, askFamilies));
  every(WALKS_MS, askCardinality);
  const rules = every(WALKS_MS, askMapping);
  search("match-mapping", rules);
  $("never").addEventListener("change", rules);
})();
