"use strict";
// The page: one stream of server-sent events, drawn with plain DOM and SVG. Texts are set as text, never as HTML.
(function () {
  const SPAN = 600000;
  const NS = "http://www.w3.org/2000/svg";
  const series = new Map(); // name → {meta, points}
  const charts = new Map(); // group → figure's parts
  let last = 0; // when the last message came

  const $ = (id) => document.getElementById(id);
  function el(tag, cls, text) {
    const e = document.createElement(tag);
    if (cls) e.className = cls;
    if (text !== undefined) e.textContent = text;
    return e;
  }
  function svg(tag, attrs) {
    const e = document.createElementNS(NS, tag);
    for (const k in attrs) e.setAttribute(k, attrs[k]);
    return e;
  }
  function num(v) {
    if (!isFinite(v)) return "–";
    const a = Math.abs(v);
    return a >= 1000 ? v.toFixed(0) : a >= 100 ? v.toFixed(1) : a >= 1 ? v.toFixed(2) : v.toFixed(3);
  }
  const clock = (t) => new Date(t).toTimeString().slice(0, 8);

  // fill makes list hold one child per item; children are kept, so that a screen reader is not sent back to the start.
  function fill(list, items, make, draw) {
    while (list.children.length > items.length) list.lastChild.remove();
    items.forEach((it, i) => {
      let c = list.children[i];
      if (!c) { c = make(); list.append(c); }
      draw(c, it);
    });
  }
  function set(e, text, cls) {
    if (e.textContent !== text) e.textContent = text;
    if (cls !== undefined && e.className !== cls) e.className = cls;
  }
  function card() {
    const li = el("li", "card"), top = el("div", "top");
    top.append(el("span"), el("span", "state"));
    li.append(top, el("div", "detail"), el("div", "detail"));
    return li;
  }
  function drawCard(li, cls, name, state, stateCls, a, b) {
    if (li.className !== "card " + cls) li.className = "card " + cls;
    set(li.children[0].children[0], name);
    set(li.children[0].children[1], state, "state " + stateCls);
    set(li.children[1], a || "");
    set(li.children[2], b || "");
  }

  function drawStatus(s) {
    document.title = s.site + " – Wayside";
    set($("site"), s.site);
    set($("subtitle"), "guardian " + s.guardian + " · " + clock(s.t));
    const ok = s.healthy && s.guardian === "connected";
    set($("health"), ok ? "working" : s.healthy ? "guardian " + s.guardian : "no progress", "badge " + (ok ? "good" : "bad"));
    set($("version"), s.version);
    fill($("lines"), s.lines || [], card, (li, l) => {
      const cls = l.fault || l.value === "unknown" ? "bad" : l.value === "on" ? "on" : "off";
      drawCard(li, cls, l.name, l.value, cls === "off" ? "" : cls, l.fault || l.reason,
        (l.task ? "held by " + l.task + " · " : "") + "safe state " + l.safe + " · " + l.ops_hour + " changes this hour");
    });
    fill($("models"), s.models || [], card, (li, m) => {
      drawCard(li, m.state === "probation" ? "warn" : "good", m.name + " " + m.version, m.state, m.state === "probation" ? "warn" : "good",
        "sha256 " + m.digest.slice(0, 16) + "…", m.detail);
    });
    fill($("tasks"), s.tasks || [], card, (li, t) => {
      const bad = t.state !== "scoring";
      let more = (t.rules || []).map((r) => r.name + " → " + r.output + ": " + r.state.replace("_", " ")).join(" · ");
      if (t.forecast) {
        more = "mean error " + num(t.forecast.mae) + ", naive forecast " + num(t.forecast.naive_mae) + " (" + t.forecast.n + " steps) " + more;
      }
      drawCard(li, bad ? "bad" : "good", "task " + t.name, bad ? "no data" : num(t.score), bad ? "bad" : "", t.reason, more);
    });
    const rows = Object.entries(s.totals || {}).filter((kv) => typeof kv[1] === "number");
    const dl = $("totals");
    while (dl.children.length > rows.length * 2) dl.lastChild.remove();
    rows.forEach((kv, i) => {
      if (!dl.children[2 * i]) dl.append(el("dt"), el("dd"));
      set(dl.children[2 * i], kv[0].replaceAll("_", " "));
      set(dl.children[2 * i + 1], Number.isInteger(kv[1]) ? String(kv[1]) : kv[1].toFixed(2));
    });
  }

  function drawEvents(list) {
    const ol = $("events");
    for (const e of list) {
      const li = el("li"), t = el("time", "", clock(e.t));
      t.dateTime = new Date(e.t).toISOString();
      li.append(t, el("span", e.level, e.text));
      ol.prepend(li);
    }
    while (ol.children.length > 200) ol.lastChild.remove();
  }

  function merge(list, whole) {
    if (whole) series.clear();
    const names = new Set();
    for (const s of list) {
      names.add(s.name);
      const have = series.get(s.name);
      const pts = have ? have.points : [];
      for (const p of s.points) {
        while (pts.length && pts[pts.length - 1].t >= p.t) pts.pop();
        pts.push(p);
      }
      const old = (pts.length ? pts[pts.length - 1].t : 0) - SPAN;
      while (pts.length && pts[0].t < old) pts.shift();
      series.set(s.name, { meta: s, points: pts });
    }
    for (const n of [...series.keys()]) if (!names.has(n)) series.delete(n);
  }

  function chart(group) {
    let c = charts.get(group);
    if (c) return c;
    const fig = el("figure"), cap = el("figcaption"), pic = svg("svg", { role: "img", preserveAspectRatio: "none" });
    fig.append(cap, pic);
    $("charts").append(fig);
    c = { fig, cap, pic };
    charts.set(group, c);
    return c;
  }

  function drawCharts(now) {
    const groups = new Map();
    for (const s of series.values()) {
      if (!groups.has(s.meta.group)) groups.set(s.meta.group, []);
      groups.get(s.meta.group).push(s);
    }
    for (const [g, c] of charts) if (!groups.has(g)) { c.fig.remove(); charts.delete(g); }
    for (const [g, list] of groups) drawChart(chart(g), list, now);
  }

  function drawChart(c, list, now) {
    const W = Math.max(200, c.pic.clientWidth || 800), H = c.pic.clientHeight || 130, L = 44, B = 16;
    c.pic.setAttribute("viewBox", "0 0 " + W + " " + H);
    let lo = Infinity, hi = -Infinity, first = now;
    for (const s of list) {
      for (const p of s.points) if (p.good) { lo = Math.min(lo, p.lo); hi = Math.max(hi, p.hi); first = Math.min(first, p.t); }
      for (const m of s.meta.marks || []) { lo = Math.min(lo, m.value); hi = Math.max(hi, m.value); }
    }
    if (!(lo <= hi)) { lo = 0; hi = 1; }
    if (hi - lo < 1e-9) { lo -= 0.5; hi += 0.5; }
    const binary = list.every((s) => s.meta.kind === "output");
    if (binary) { lo = 0; hi = 1; }
    const say = (v) => binary ? (v > 0.5 ? "on" : "off") : num(v);
    const pad = (hi - lo) * 0.06;
    lo -= pad; hi += pad;
    // A young chart uses its whole width; it ends up showing ten minutes.
    const span = Math.min(SPAN, Math.max(60000, now - first + 1000));
    const x = (t) => L + (W - L) * (1 - (now - t) / span);
    const y = (v) => (H - B) * (1 - (v - lo) / (hi - lo)) + 2;

    c.pic.replaceChildren();
    for (const f of binary ? [0, 1] : [0, 0.5, 1]) {
      const v = binary ? f : lo + (hi - lo) * f;
      c.pic.append(svg("line", { class: "grid", x1: L, x2: W, y1: y(v), y2: y(v) }));
      const t = svg("text", { x: L - 6, y: y(v) + (f === 1 ? 10 : 3), "text-anchor": "end" });
      t.textContent = say(v);
      c.pic.append(t);
    }
    for (let i = 0; i <= 4; i++) {
      const ago = span * (1 - i / 4);
      const t = svg("text", { x: x(now - ago), y: H, "text-anchor": i === 4 ? "end" : i === 0 ? "start" : "middle" });
      t.textContent = i === 4 ? "now" : "−" + (span >= 240000 ? (ago / 60000).toFixed(1) + " min" : (ago / 1000).toFixed(0) + " s");
      c.pic.append(t);
    }
    fill(c.cap, list, () => {
      const s = el("span");
      s.append(el("span", "key name"), document.createTextNode(" "), el("b"), document.createTextNode(" "), el("span", "quality"));
      return s;
    }, (e, s) => {
      const n = s.meta.now;
      set(e.children[0], s.meta.name, "key name c" + (list.indexOf(s) % 4));
      set(e.children[1], n && n.good ? say(n.value) : "–");
      set(e.children[2], n && !n.good ? n.quality.replaceAll("_", " ") + (n.reason ? ": " + n.reason : "") : "");
    });
    const words = [];
    list.forEach((s, i) => {
      const g = svg("g", { class: "c" + (i % 4) });
      let run = [];
      const flush = () => {
        if (!run.length) return;
        if (run.some((p) => p.hi > p.lo)) {
          const up = run.map((p) => x(p.t).toFixed(1) + "," + y(p.hi).toFixed(1));
          const down = run.slice().reverse().map((p) => x(p.t).toFixed(1) + "," + y(p.lo).toFixed(1));
          g.append(svg("polygon", { class: "band", points: up.concat(down).join(" ") }));
        }
        const pts = run.map((p) => x(p.t).toFixed(1) + "," + y(p.v).toFixed(1));
        if (pts.length === 1) pts.push((x(run[0].t) + 1).toFixed(1) + "," + y(run[0].v).toFixed(1));
        g.append(svg("polyline", { class: "line" + (s.meta.kind === "naive" ? " naive" : ""), points: pts.join(" ") }));
        run = [];
      };
      let prev = 0;
      for (const p of s.points) {
        if (p.t < now - span) continue;
        if (!p.good || (prev && p.t - prev > 5000)) flush();
        if (p.good) { run.push(p); prev = p.t; }
      }
      flush();
      c.pic.append(g);
      for (const m of s.meta.marks || []) {
        c.pic.append(svg("line", { class: "mark", x1: L, x2: W, y1: y(m.value), y2: y(m.value) }));
        const t = svg("text", { x: L + 4, y: y(m.value) - 3 });
        t.textContent = m.name + " " + num(m.value);
        c.pic.append(t);
      }
      words.push(s.meta.name + " is " + (s.meta.now && s.meta.now.good ? say(s.meta.now.value) : "without a value"));
    });
    c.pic.setAttribute("aria-label", "Chart of the last minutes: " + words.join(", "));
  }

  function take(ev, whole) {
    const u = JSON.parse(ev.data);
    last = Date.now();
    if (whole) $("events").replaceChildren();
    merge(u.series || [], whole);
    drawStatus(u.status);
    drawEvents(u.events || []);
    drawCharts(u.status.t);
    document.body.dataset.updates = String(Number(document.body.dataset.updates || 0) + 1);
  }

  const source = new EventSource("/api/events");
  source.addEventListener("state", (e) => take(e, true));
  source.addEventListener("update", (e) => take(e, false));
  setInterval(() => {
    if (last && Date.now() - last > 3000) set($("health"), "no contact since " + clock(last), "badge bad");
  }, 1000);
})();
