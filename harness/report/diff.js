/* Lines that two texts share, by the longest common subsequence: for the diff against the current code. */

const DIFF_LIMIT = 3000;
const CONTEXT = 3;

/* Returns [kind, old number, new number, text] for each line; kind is " ", "-" or "+". */
function diffLines(before, after) {
  const a = before.split("\n");
  const b = after.split("\n");
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let endA = a.length;
  let endB = b.length;
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) { endA--; endB--; }
  const rows = a.slice(0, start).map((text, i) => [" ", i + 1, i + 1, text]);
  rows.push(...middle(a.slice(start, endA), b.slice(start, endB), start));
  a.slice(endA).forEach((text, i) => rows.push([" ", endA + i + 1, endB + i + 1, text]));
  return rows;
}

function middle(a, b, offset) {
  const width = b.length + 1;
  const common = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i * width + j] = a[i] === b[j]
        ? common[(i + 1) * width + j + 1] + 1
        : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  const rows = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) rows.push([" ", offset + ++i, offset + ++j, a[i - 1]]);
    else if (j >= b.length || (i < a.length && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      rows.push(["-", offset + ++i, null, a[i - 1]]);
    } else rows.push(["+", null, offset + ++j, b[j - 1]]);
  }
  return rows;
}

/* The diff with three lines around each change; what is far from any is folded into a line of dots. */
function diffView(before, after) {
  if (before.split("\n").length > DIFF_LIMIT || after.split("\n").length > DIFF_LIMIT) {
    return el("p", { class: "notice" }, "Too long for a diff in the page; kernel-harness show ID prints the code.");
  }
  const rows = diffLines(before.replace(/\n$/, ""), after.replace(/\n$/, ""));
  const near = new Set();
  rows.forEach(([kind], at) => {
    if (kind !== " ") for (let i = at - CONTEXT; i <= at + CONTEXT; i++) near.add(i);
  });
  if (!near.size) return el("p", { class: "quiet" }, "The code is the current code, to the letter.");
  const box = el("pre", { class: "code diff", tabindex: "0", role: "region", "aria-label": "Diff against the current code" });
  let gap = false;
  rows.forEach(([kind, , number, text], at) => {
    if (!near.has(at)) {
      if (!gap) box.append(el("span", { class: "line gap" }, "⋯\n"));
      gap = true;
      return;
    }
    gap = false;
    const name = { "+": " added", "-": " removed", " ": "" }[kind];
    box.append(el("span", { class: "line" + name, "data-n": kind + " " + (number === null ? "" : number) }, shown(text), "\n"));
  });
  const count = (wanted) => rows.filter(([kind]) => kind === wanted).length;
  return el("div", null, el("p", { class: "quiet" }, count("+") + " lines added, " + count("-") + " removed"), box);
}
