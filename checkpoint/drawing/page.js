"use strict";
// The page of plans: two sliders, the front, and the step of the plan that is chosen. All numbers come from #data.
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const plans = data.plans;
const narrow = () => window.innerWidth < 640;
const config = { displayModeBar: false, responsive: true, doubleClick: "reset" };
const grid = { gridcolor: "#e5e5e5", zeroline: false };
let chosen = data.chosen;

function bytes(amount) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (Math.abs(amount) >= 1000 && unit < 3) { amount /= 1024; unit += 1; }
  const digits = unit === 0 || amount >= 100 ? 0 : amount >= 10 ? 1 : 2;
  return `${amount.toFixed(digits)} ${units[unit]}`;
}

const work = (plan) => (plan.fraction ? `${Number(plan.fraction.toPrecision(3))} of a forward pass recomputed` : "nothing recomputed");

// [layer, left, right, kind] of each cell; the file has a flat list of the last three for each layer.
function cellsOf(plan) {
  const cells = [];
  plan.cells.forEach((flat, k) => { for (let i = 0; i < flat.length; i += 3) cells.push([k + 1, flat[i], flat[i + 1], flat[i + 2]]); });
  return cells;
}

function layout(extra) {
  return Object.assign({
    margin: { l: narrow() ? 48 : 64, r: 8, t: 6, b: 40 }, showlegend: false, dragmode: false, hovermode: "closest",
    plot_bgcolor: "#fff", font: { size: narrow() ? 11 : 12 }, hoverlabel: { align: "left" },
  }, extra);
}

function drawFront() {
  const point = (list) => ({ x: list.map((p) => p.peak / data.unit_bytes), y: list.map((p) => Math.log1p(p.fraction)) });
  const said = (list) => list.map((p) => `${p.name}<br>peak ${bytes(p.peak)}<br>${work(p)}`);
  const kind = { type: "scatter", hoverinfo: "text" };
  const front = plans.filter((p) => p.front);
  const traces = [
    { ...kind, ...point(front), text: said(front), mode: "lines+markers", line: { color: data.colours.forward, shape: "vh" }, marker: { size: 8, color: data.colours.forward } },
    { ...kind, ...point(data.marks), text: said(data.marks), mode: "markers", marker: { size: 9, symbol: "diamond-open", color: data.colours.outline, line: { width: 2 } } },
    { ...kind, ...point([plans[chosen]]), hoverinfo: "skip", mode: "markers", marker: { size: 18, symbol: "circle-open", color: data.colours.budget, line: { width: 3 } } },
  ];
  const most = Math.max(1, ...plans.map((p) => p.fraction), ...data.marks.map((p) => p.fraction));
  const ticks = [0, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].filter((tick, k) => tick <= most && (most < 20 || k !== 1));
  const [least, largest] = [Math.min, Math.max].map((of) => Math.log2(of(...[...plans, ...data.marks].map((p) => p.peak / data.unit_bytes))));
  const peaks = Array.from({ length: Math.ceil(largest) - Math.floor(least) + 1 }, (_, k) => 2 ** (Math.floor(least) + k));
  Plotly.react("front", traces, layout({
    xaxis: { ...grid, type: "log", title: { text: `peak, ${data.unit} (diamonds: well-known schedules)` }, fixedrange: true, tickvals: peaks, ticktext: peaks.map(String) },
    yaxis: { ...grid, title: { text: narrow() ? "recomputed" : "recomputed, forward passes" }, fixedrange: true, range: [-0.08, 1.08].map((y) => y * Math.log1p(most)), tickvals: ticks.map(Math.log1p), ticktext: ticks.map(String) },
  }), config);
}

function drawStep() {
  const plan = plans[chosen];
  element("step").hidden = element("action").hidden = !plan.columns;
  if (!plan.columns) { element("held").textContent = `${plan.actions.toLocaleString("en")} actions are too many to draw.`; return; }
  const { names, kinds, after, most } = plan.columns;
  const unit = data.unit_bytes, n = names.length;
  const x = names.map((_, i) => i + 1);
  const text = names.map((name, i) => `<b>${name}</b>, ${data.words[kinds[i]]}<br>${bytes(after[i])} after, ${bytes(most[i])} at most`);
  const rows = Array.from({ length: data.layers }, () => new Array(n).fill(null));
  const hover = Array.from({ length: data.layers }, () => new Array(n).fill(""));
  for (const [layer, left, right, kind] of cellsOf(plan)) {
    for (let i = left; i < right; i += 1) {
      rows[layer - 1][i] = kind;
      hover[layer - 1][i] = `a<sub>${layer}</sub>: ${data.held_words[kind]}<br>${text[i]}`;
    }
  }
  const colours = data.kinds.map((kind) => data.colours[kind]);
  const scale = colours.flatMap((colour, k) => [[k / colours.length, colour], [(k + 1) / colours.length, colour]]);
  const few = n <= 160;
  const traces = [
    { type: "bar", x, y: most.map((amount, i) => amount / unit), width: 1, hoverinfo: "skip", marker: { color: "#d9d9d9", line: { width: 0 } } },
    { type: "bar", x, y: after.map((amount) => amount / unit), width: few ? 0.92 : 1, text, textposition: "none", hoverinfo: "text", marker: { color: kinds.map((kind) => colours[kind]), line: { width: 0 } } },
    { type: "heatmap", x, y: rows.map((_, k) => k + 1), z: rows, text: hover, hoverinfo: "text", hoverongaps: false, yaxis: "y2", zmin: -0.5, zmax: colours.length - 0.5, colorscale: scale, showscale: false, xgap: few ? 1 : 0, ygap: data.layers <= 40 ? 1 : 0 },
  ];
  Plotly.react("step", traces, layout({
    barmode: "overlay", dragmode: narrow() ? false : "zoom", shapes: lines(),
    xaxis: { ...grid, anchor: "y2", range: [0.5, n + 0.5], fixedrange: narrow(), title: { text: plan.together > 1 ? `actions, ${plan.together} in a column` : "action" }, showspikes: true, spikemode: "across", spikethickness: 1, spikedash: "solid", spikecolor: "#111" },
    yaxis: { ...grid, domain: [0.6, 1], fixedrange: true, rangemode: "tozero", title: { text: data.unit } },
    yaxis2: { ...grid, domain: [0, 0.56], fixedrange: true, range: [0.5, data.layers + 0.5], title: { text: "activation of layer" }, nticks: 8 },
  }), config);
}

function lines() {
  const plan = plans[chosen], unit = data.unit_bytes, at = Number(element("action").value) + 1;
  const across = { type: "line", xref: "paper", x0: 0, x1: 1, yref: "y" };
  const marked = { type: "rect", xref: "x", x0: at - 0.5, x1: at + 0.5, yref: "paper", y0: 0, y1: 1, line: { width: 1, color: "#111" }, fillcolor: "rgba(0,0,0,0.08)" };
  return [
    { ...across, y0: plan.peak / unit, y1: plan.peak / unit, line: { color: data.colours.outline, width: 1, dash: "dash" } },
    { ...across, y0: plan.budget / unit, y1: plan.budget / unit, line: { color: data.colours.budget, width: 1.5 } },
    marked,
  ];
}

function ranges(numbers) {
  const parts = [];
  for (let i = 0, first; i < numbers.length; i += 1) {
    if (i === 0 || numbers[i] !== numbers[i - 1] + 1) first = numbers[i];
    if (numbers[i + 1] !== numbers[i] + 1) parts.push(first === numbers[i] ? `a${first}` : `a${first} to a${numbers[i]}`);
  }
  return parts.join(", ");
}

function sayAction() {
  const plan = plans[chosen];
  if (!plan.columns) return;
  const i = Number(element("action").value), { names, kinds, after, most } = plan.columns;
  const there = cellsOf(plan).filter((cell) => cell[1] <= i && i < cell[2]);
  const held = data.kinds.map((_, kind) => ranges(there.filter((cell) => cell[3] === kind).map((cell) => cell[0])));
  const lists = held.map((list, kind) => (list ? `${data.held_words[kind]}: ${list}` : "")).filter(Boolean);
  const said = `${i + 1} of ${names.length}: ${names[i]}, ${data.words[kinds[i]]}. ${bytes(after[i])} after it, ${bytes(most[i])} at most. Held: ${lists.join("; ") || "nothing"}.`;
  element("held").textContent = said;
  element("action").setAttribute("aria-valuetext", said);
}

function choose(index) {
  chosen = index;
  const plan = plans[index], slider = element("action");
  const exact = plan.bits ? "bit for bit" : "but for rounding";
  const said = `${bytes(plan.peak)} at the peak (budget ${bytes(plan.budget)}), ${work(plan)}; ${plan.name}, ${plan.rows === null ? "whole mini-batches" : `row blocks of ${plan.rows}`}; gradients are plain backpropagation's ${exact}.`;
  element("chosen").textContent = said;
  element("plan").value = String(index);
  element("plan").setAttribute("aria-valuetext", said);
  slider.max = String(plan.columns ? plan.columns.names.length - 1 : 0);
  slider.value = String(plan.columns ? plan.columns.most.indexOf(Math.max(...plan.columns.most)) : 0);
  drawFront();
  drawStep();
  sayAction();
}

element("legend").innerHTML = data.kinds.map((kind, k) => (plans.some((p) => p.columns && p.columns.kinds.includes(k)) ? `<li><span style="background:${data.colours[kind]}"></span>${data.legend[k]}</li>` : "")).join("") +
  `<li><span style="background:#d9d9d9"></span>at most while the action runs</li><li><span style="background:${data.colours.budget}"></span>budget</li>`;
element("plan").max = String(plans.length - 1);
element("plan").addEventListener("input", (event) => choose(Number(event.target.value)));
element("action").addEventListener("input", () => { Plotly.relayout("step", { shapes: lines() }); sayAction(); });
choose(chosen);
element("front").on("plotly_click", (event) => { if (event.points[0].curveNumber === 0) choose(plans.indexOf(plans.filter((p) => p.front)[event.points[0].pointIndex])); });
element("step").on("plotly_click", (event) => { element("action").value = String(Math.round(event.points[0].x) - 1); Plotly.relayout("step", { shapes: lines() }); sayAction(); });
let wasNarrow = narrow();
window.addEventListener("resize", () => { if (narrow() !== wasNarrow) { wasNarrow = narrow(); drawFront(); drawStep(); } });
