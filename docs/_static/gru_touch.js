// A GRU with one input and one unit, whose inputs and weights the reader moves. The
// equations are those of the page "How a GRU works" with cell="gru";
// tests/test_site.py compares every number of the table with the package.

const N_STEPS = 8;
const GATES = {
  r: {title: "Reset gate r", input: "w_ir", state: "w_hr", bias: "b_r"},
  z: {title: "Update gate z", input: "w_iz", state: "w_hz", bias: "b_z"},
  n: {title: "Candidate n", input: "w_in", state: "w_hn", bias: "b_n"},
};
const EXAMPLES = {
  "Remember the first input": {
    x: [1, 0.5, -0.5, 0.3, -1, 0.8, -0.2, 0.4],
    weights: {w_ir: 0, w_hr: 0, b_r: 0, w_iz: 0, w_hz: 6, b_z: -1, w_in: 3, w_hn: 0, b_n: 0},
  },
  "Forget slowly": {
    x: [1, 0, 0, 0, 0, 0, 0, 0],
    weights: {w_ir: 0, w_hr: 0, b_r: 0, w_iz: -3, w_hz: 0, b_z: 1, w_in: 3, w_hn: 0, b_n: 0},
  },
  "Follow the input": {
    x: [0, 1, 1, 0, -1, -1, 0, 1],
    weights: {w_ir: 0, w_hr: 0, b_r: 0, w_iz: 0, w_hz: 0, b_z: -4, w_in: 2, w_hn: 0, b_n: 0},
  },
  "Swing": {
    x: [1, 0, 0, 0, 0, 0, 0, 0],
    weights: {w_ir: 0, w_hr: 0, b_r: 4, w_iz: 0, w_hz: 0, b_z: -2, w_in: 2, w_hn: -2.5, b_n: 0},
  },
};

const sigmoid = (a) => 1 / (1 + Math.exp(-a));
const short = (number) => number.toFixed(2).replace("-", "−");

// What each step computes from the input and the state before it.
function unroll(inputs, w) {
  let before = 0;
  return inputs.map((x) => {
    const r = sigmoid(w.w_ir * x + w.w_hr * before + w.b_r);
    const z = sigmoid(w.w_iz * x + w.w_hz * before + w.b_z);
    const n = Math.tanh(w.w_in * x + w.b_n + r * (w.w_hn * before));
    const h = (1 - z) * n + z * before;
    const step = {x, r, z, n, before, h};
    before = h;
    return step;
  });
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// A slider with its name and its value; `name` is also what tests find it by.
function slider(name, limit, step, onMove) {
  const input = make("input", {
    type: "range", min: -limit, max: limit, step, name, id: `gru-${name}`,
  });
  const value = make("output", {for: `gru-${name}`});
  const show = () => { value.textContent = short(Number(input.value)); };
  input.addEventListener("input", () => { show(); onMove(); });
  const row = make("div", {class: "gru-slider"},
    make("label", {for: `gru-${name}`}, name), input, value);
  return {row, get: () => Number(input.value), set: (to) => { input.value = to; show(); }};
}

// One line of the chart: a mark per step, joined; values from -1 to 1.
function line(steps, key, kind) {
  const place = (value, k) => `${40 + 45 * k},${90 - 70 * value}`;
  const points = steps.map((step, k) => place(step[key], k)).join(" ");
  const marks = steps.map((step, k) => {
    const [x, y] = place(step[key], k).split(",");
    return `<circle cx="${x}" cy="${y}" r="${key === "x" ? 4 : 3}"/>`;
  });
  const joined = key === "x" ? "" : `<polyline points="${points}"/>`;
  return `<g class="gru-${kind}">${joined}${marks.join("")}</g>`;
}

function chart(steps, chosen) {
  const grid = [-1, 0, 1].map((value) =>
    `<line x1="30" x2="365" y1="${90 - 70 * value}" y2="${90 - 70 * value}"/>` +
    `<text x="22" y="${94 - 70 * value}">${short(value).replace(".00", "")}</text>`);
  const words = steps.map((step, k) => `step ${k + 1}: ${short(step.h)}`).join(", ");
  const column = `<rect class="gru-chosen" x="${22 + 45 * chosen}" y="8" width="36" height="164"/>`;
  return `<svg viewBox="0 0 380 180" role="img" aria-label="The state after ${words}.">` +
    `${column}<g class="gru-grid">${grid.join("")}</g>${line(steps, "x", "x")}` +
    `${line(steps, "r", "r")}${line(steps, "z", "z")}${line(steps, "h", "h")}</svg>`;
}

const KEYS = ["x", "r", "z", "n", "h"];

function table(steps, chosen) {
  const head = ["step", ...KEYS].map((name) => `<th scope="col">${name}</th>`).join("");
  const rows = steps.map((step, k) => {
    const cells = KEYS.map((key) => `<td data-value="${step[key]}">${short(step[key])}</td>`);
    const mark = k === chosen ? ' class="gru-chosen"' : "";
    return `<tr${mark}><th scope="row">${k + 1}</th>${cells.join("")}</tr>`;
  });
  return `<table><thead><tr>${head}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
}

function equations(step, w) {
  const s = Object.fromEntries(Object.entries({...step, ...w}).map(([k, v]) => [k, short(v)]));
  return [
    `r = σ(${s.w_ir}·${s.x} + ${s.w_hr}·${s.before} + ${s.b_r}) = ${s.r}`,
    `z = σ(${s.w_iz}·${s.x} + ${s.w_hz}·${s.before} + ${s.b_z}) = ${s.z}`,
    `n = tanh(${s.w_in}·${s.x} + ${s.b_n} + ${s.r}·(${s.w_hn}·${s.before})) = ${s.n}`,
    `h = (1 − ${s.z})·${s.n} + ${s.z}·${s.before} = ${s.h}`,
  ].join("\n");
}

function start(root) {
  const sliders = {};
  const add = (name, limit, step) =>
    (sliders[name] = slider(name, limit, step, () => draw())).row;
  const group = (title, rows) =>
    make("fieldset", {}, make("legend", {}, title), ...rows);

  const inputs = Array.from({length: N_STEPS}, (_, k) => add(`x${k + 1}`, 1, 0.1));
  const gates = Object.values(GATES).map((gate) =>
    group(gate.title, [add(gate.input, 6, 0.1), add(gate.state, 6, 0.1), add(gate.bias, 6, 0.1)]));
  const choice = make("input", {
    type: "range", min: 1, max: N_STEPS, step: 1, value: 1, id: "gru-step", name: "step",
  });
  choice.addEventListener("input", () => draw());
  const view = make("div", {class: "gru-view"});
  const lines = make("pre", {class: "gru-lines", "aria-live": "polite"});
  const numbers = make("div", {class: "gru-table"});

  function weights() {
    const names = Object.values(GATES).flatMap((gate) => [gate.input, gate.state, gate.bias]);
    return Object.fromEntries(names.map((name) => [name, sliders[name].get()]));
  }

  function draw() {
    const w = weights();
    const xs = Array.from({length: N_STEPS}, (_, k) => sliders[`x${k + 1}`].get());
    const steps = unroll(xs, w);
    const chosen = Number(choice.value) - 1;
    view.innerHTML = chart(steps, chosen);
    numbers.innerHTML = table(steps, chosen);
    lines.textContent = equations(steps[chosen], w);
  }

  function load(example) {
    example.x.forEach((value, k) => sliders[`x${k + 1}`].set(value));
    for (const [name, value] of Object.entries(example.weights)) sliders[name].set(value);
    draw();
  }

  const buttons = Object.entries(EXAMPLES).map(([title, example]) => {
    const button = make("button", {type: "button"}, title);
    button.addEventListener("click", () => load(example));
    return button;
  });
  const key = make("p", {class: "gru-key"});
  key.innerHTML = '<span class="gru-x">● input x</span> <span class="gru-r">● reset gate r</span>' +
    ' <span class="gru-z">● update gate z</span> <span class="gru-h">● state h</span>';
  root.replaceChildren(
    make("div", {class: "gru-examples"}, ...buttons), view, key,
    make("div", {class: "gru-slider"},
      make("label", {for: "gru-step"}, "look at step"), choice), lines,
    make("div", {class: "gru-controls"}, group("Inputs", inputs), ...gates), numbers);
  load(Object.values(EXAMPLES)[0]);
}

document.addEventListener("DOMContentLoaded", () => {
  const root = document.getElementById("gru-touch");
  if (root) start(root);
});
