/* Every sample that was taken, as a dot: one row a role, time to the right, order downwards within a row. */

const SVG_NAME = "http://www.w3.org/2000/svg";

function shape(tag, attributes, ...children) {
  const node = document.createElementNS(SVG_NAME, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function samplesView(samples, roles) {
  const known = roles.filter(([role]) => samples[role] && samples[role].length);
  if (!known.length) return null;
  const all = known.flatMap(([role]) => samples[role]);
  const low = Math.log(Math.min(...all) / 1.03);
  const high = Math.log(Math.max(...all) * 1.03);
  const place = (ms) => (2 + (96 * (Math.log(ms) - low)) / (high - low)).toFixed(2) + "%";
  const row = 54;
  const height = known.length * row + 24;
  const text = known.map(([role, name]) => name + ": " + samples[role].length + " samples, " +
    number(Math.min(...samples[role])) + " to " + number(Math.max(...samples[role])) + " ms").join("; ");
  const plot = shape("svg", { class: "plot samples", role: "img", width: "100%", height, "aria-label": text });
  known.forEach(([role, name], at) => {
    const top = at * row + 8;
    plot.append(shape("text", { class: "lane", x: 0, y: top + 8 }, name));
    samples[role].forEach((ms, order) => plot.append(shape("circle", {
      class: "sample " + role, cx: place(ms), cy: top + 16 + (30 * order) / Math.max(1, samples[role].length - 1), r: 2.2,
    })));
  });
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    const ms = Math.exp(low + part * (high - low));
    plot.append(shape("text", {
      class: "tick", x: place(ms), y: height - 6, "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle",
    }, number(ms) + " ms"));
  }
  return el("div", null, el("h4", null, "Every sample, the first on top"), plot);
}
