"use strict";
/* Text of a model on the page: everything goes in as text, nothing is ever parsed as HTML. */

const SVG = "http://www.w3.org/2000/svg";

/* el("p", {class: "x"}, "text", node, null) */
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", "#i-" + name);
  svg.append(use);
  return svg;
}

/* Characters that are invisible or turn the reading direction, shown as their code point; a run of one is one hit. */
const HIDDEN = /([\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff])\1*/g;
const HIDDEN_LIMIT = 500; /* More of them in one piece of text would stop the page for a while. */

function shown(text) {
  const nodes = [];
  let last = 0;
  let count = 0;
  for (const hit of text.matchAll(HIDDEN)) {
    if (++count > HIDDEN_LIMIT) break;
    nodes.push(text.slice(last, hit.index));
    const code = hit[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    const times = hit[0].length > 1 ? " ×" + hit[0].length : "";
    nodes.push(el("span", { class: "hidden-char", title: "invisible character" }, "U+" + code + times));
    last = hit.index + hit[0].length;
  }
  nodes.push(text.slice(last).replace(HIDDEN, "\ufffd"));
  return nodes;
}

const TOKEN = new RegExp(
  [
    /(?<comment>#[^\n]*)/,
    /(?<string>[rbfu]{0,2}(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))/,
    /(?<mark>@[\w.]+)/,
    /(?<word>\b(?:and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield|None|True|False)\b)/,
    /(?<number>\b\d[\w.]*)/,
  ].map((part) => part.source).join("|"),
  "g",
);
const HIGHLIGHT_LIMIT = 60000;

/* Returns, for each line of the code, its nodes. */
function lines(code) {
  const rows = [[]];
  const put = (text, kind) => {
    text.split("\n").forEach((piece, index) => {
      if (index) rows.push([]);
      if (!piece) return;
      const nodes = shown(piece);
      rows[rows.length - 1].push(...(kind ? [el("span", { class: "t-" + kind }, nodes)] : nodes));
    });
  };
  let last = 0;
  if (code.length <= HIGHLIGHT_LIMIT) {
    for (const hit of code.matchAll(TOKEN)) {
      put(code.slice(last, hit.index));
      put(hit[0], Object.keys(hit.groups).find((kind) => hit.groups[kind] !== undefined));
      last = hit.index + hit[0].length;
    }
  }
  put(code.slice(last));
  if (!rows[rows.length - 1].length) rows.pop();
  return rows;
}

function remark(violation) {
  const icons = { error: "rejected", warning: "failed" };
  return el(
    "span", { class: "remark v-" + violation.severity },
    icon(icons[violation.severity]), " ",
    el("b", null, violation.severity + ": " + violation.rule), " ",
    shown(violation.message), el("span", { class: "quiet" }, " (" + violation.track + " track)"),
  );
}

/* The code with line numbers; under each line the violations that stand there. */
function codeView(code, violations, prefix) {
  const box = el("pre", { class: "code", tabindex: "0", role: "region", "aria-label": "Code of the candidate" });
  lines(code).forEach((nodes, index) => {
    const number = index + 1;
    const here = violations.filter((violation) => violation.line === number);
    const worst = here.some((v) => v.severity === "error") ? "error" : here.length ? "warning" : null;
    box.append(el(
      "span", { class: "line" + (worst ? " marked v-" + worst : ""), id: prefix + number, "data-n": number },
      nodes, "\n",
    ));
    box.append(...here.map(remark));
  });
  return box;
}
