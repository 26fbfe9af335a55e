/* Every sample that was taken, as a dot: how far from its role's median, the first sample on top. */

const SVG_NAME = "http://www.w3.org/2000/svg";

function shape(tag, attributes, ...children) {
  const node = document.createElementNS(SVG_NAME, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function medianOf(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function samplesView(samples, roles) {
  const known = roles.filter(([role]) => samples[role] && samples[role].length);
  if (!known.length) return null;
  const away = (role) => samples[role].map((ms) => ms / medianOf(samples[role]) - 1);
  const most = Math.max(0.002, ...known.flatMap(([role]) => away(role).map(Math.abs)));
  const place = (part) => (50 + (47 * part) / most).toFixed(2) + "%";
  const row = 54;
  const height = known.length * row + 26;
  const text = known.map(([role, name]) => name + ": " + samples[role].length + " samples, " +
    number(Math.min(...samples[role])) + " to " + number(Math.max(...samples[role])) + " ms").join("; ");
  const plot = shape("svg", { class: "plot samples", role: "img", width: "100%", height, "aria-label": text });
  plot.append(shape("line", { class: "grid", x1: "50%", x2: "50%", y1: 4, y2: height - 22 }));
  known.forEach(([role, name], at) => {
    const top = at * row + 8;
    away(role).forEach((part, order, all) => plot.append(shape("circle", {
      class: "sample " + role, cx: place(part), cy: top + 8 + (34 * order) / Math.max(1, all.length - 1), r: 2.2,
    })));
    plot.append(shape("text", { class: "lane", x: 0, y: top + 8 }, name + ", median " + number(medianOf(samples[role])) + " ms"));
  });
  for (const part of [-1, -0.5, 0, 0.5, 1]) {
    plot.append(shape("text", { class: "tick", x: place(part * most), y: height - 6, "text-anchor": part === -1 ? "start" : part === 1 ? "end" : "middle" },
      part === 0 ? "median" : (part > 0 ? "+" : "−") + number(Math.abs(100 * part * most), 2) + " %"));
  }
  return el("div", null, el("h4", null, "Every sample, the first on top"), plot);
}
