/* Draws an attempt when it is opened. */

/* Four significant digits: 9.000, 31.42, 2824. */
function number(value, digits = 4) {
  if (value === null) return "–";
  const whole = value === 0 ? 1 : Math.floor(Math.log10(Math.abs(value))) + 1;
  return value.toFixed(Math.min(8, Math.max(0, digits - whole)));
}
const percent = (value) => (value === null ? "–" : (100 * value).toFixed(0) + " %");
const ratio = (value) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0) + "×";

function section(title, ...children) {
  return el("section", { class: "part" }, el("h3", null, title), ...children);
}

function fold(title, ...children) {
  return el("details", { class: "more" }, el("summary", null, title), ...children);
}

function table(heads, rows) {
  return el(
    "div", { class: "scroll" },
    el("table", null,
      el("thead", null, el("tr", null, heads.map((text, i) => el("th", { class: i ? "n" : "name", scope: "col" }, text)))),
      el("tbody", null, rows.map(([name, ...cells]) => el(
        "tr", null, el("th", { class: "name", scope: "row" }, shown(name)), cells.map((text) => el("td", { class: "n" }, shown(text)))))),
    ),
  );
}

function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: "facts" }, known.map(([name, value]) =>
    el("div", null, el("dt", null, name), el("dd", null, shown(String(value))))));
}

function bars(rows) {
  const most = Math.max(...rows.map((row) => row.value));
  return el("div", { class: "bars" }, rows.map((row) => {
    const fill = el("span", { class: "fill " + row.kind });
    fill.style.width = (most > 0 ? (100 * row.value) / most : 0) + "%";
    return el("div", { class: "bar-row" },
      el("span", { class: "bar-name" }, row.name), el("span", { class: "rail" }, fill), el("span", { class: "bar-text" }, row.text));
  }));
}

const ROLES = [["candidate", "candidate"], ["eager", "eager"], ["compile", "torch.compile"], ["current", "current code"]];

function timingView(timing) {
  const measured = ROLES.filter(([role]) => timing[role + "_ms"]);
  const beside = (role) => (timing.speedup[role] ? ratio(timing.speedup[role].median) : "");
  const drawn = measured.map(([role, name]) => ({
    name, value: timing[role + "_ms"].median, kind: role,
    text: number(timing[role + "_ms"].median) + " ms" + (beside(role) ? " · " + beside(role) : ""),
  }));
  if (timing.floor_ms) drawn.push({ name: "floor", value: timing.floor_ms, kind: "floor", text: number(timing.floor_ms) + " ms" });
  drawn.sort((a, b) => a.value - b.value);
  const spread = (q) => number(q.low) + " to " + number(q.high);
  const rows = measured.map(([role, name]) => {
    const time = timing[role + "_ms"];
    const gain = timing.speedup[role];
    return [name, number(time.median), spread(time), String(time.samples),
      gain ? ratio(gain.median) : "", gain ? ratio(gain.low) + " to " + ratio(gain.high) : ""];
  });
  return section(
    "Timing",
    bars(drawn),
    table(["", "median ms", "95 % interval", "samples", "speed-up", "95 % interval"], rows),
    facts([
      ["decision", timing.decision], ["stable", timing.stable ? "yes" : "no"],
      ["fraction of floor", timing.fraction_of_floor === null ? null : percent(timing.fraction_of_floor)],
      ["floor is set by", { bytes: "memory", flops: "arithmetic" }[timing.floor_by]],
      ["floor is taken from", timing.floor_source === "spec" ? "the GPU's data sheet" : null],
      ["judge's clock", timing.judge_ms === null ? null : number(timing.judge_ms) + " ms"],
      ["hard limit", timing.hard_limit_ms === null ? null : number(timing.hard_limit_ms) + " ms"],
      ["bandwidth", timing.gb_per_s === null ? null : number(timing.gb_per_s) + " GB/s"],
      ["copy bandwidth", timing.copy_gb_per_s === null ? null : number(timing.copy_gb_per_s) + " GB/s"],
      ["matrix products", timing.peak_tflop_per_s ? number(timing.peak_tflop_per_s) + " TFLOP/s" : null],
      ["no torch.compile", timing.compile_note],
    ]),
    samplesView(timing.samples_ms, ROLES),
    timing.notes.length ? el("ul", { class: "notes" }, timing.notes.map((note) => el("li", null, shown(note)))) : null,
    timing.kernels.length ? kernelView(timing.kernels) : null,
    timing.configs.length ? configView(timing) : null,
  );
}

function kernelView(kernels) {
  return el("div", null, el("h4", null, "Where one call spends its time"), bars(kernels.map((kernel) => ({
    name: kernel.name + (kernel.own ? "" : " (not its own)"), value: kernel.share, kind: kernel.own ? "candidate" : "other",
    text: percent(kernel.share) + ", " + number(kernel.ms) + " ms",
  }))));
}

const settings = (config) => Object.entries(config).map(([name, value]) => name + "=" + JSON.stringify(value)).join(" ");

function configView(timing) {
  const chosen = timing.chosen ? settings(timing.chosen) : null;
  return fold("Autotune configs (" + timing.configs.length + ")", table(["config", "kernel", "ms", ""], timing.configs.map(
    (c) => [settings(c.config), c.kernel, c.ms === null ? "not measured" : number(c.ms), settings(c.config) === chosen ? "chosen" : ""])));
}

function whyView(detail) {
  const [first, ...rest] = detail.why;
  return section("Why", el("p", { class: "lead" }, shown(first)), rest.map((text) => el("p", { class: "plain" }, shown(text))));
}

function cut(length, text) {
  if (length <= text.length) return null;
  return el("p", { class: "notice" }, "Cut here: " + (length - text.length) + " more characters. kernel-harness show ID prints all.");
}

function codeOf(detail) {
  if (!detail.code_lines) return detail.attempt.candidate.code;
  const [first, count] = detail.code_lines;
  return detail.attempt.reply.text.split("\n").slice(first, first + count).join("\n");
}

function codePart(detail) {
  const { candidate, verdict, id } = detail.attempt;
  const violations = verdict ? verdict.violations : [];
  const code = candidate ? codeOf(detail) : null;
  const total = code === null ? 0 : code.split("\n").length;
  const homeless = violations.filter((v) => v.line === null || v.line > total);
  if (code === null && !homeless.length) return null;
  const prefix = "a-" + id + "-L";
  const placed = violations.filter((v) => !homeless.includes(v));
  const jump = (v) => el("a", { href: "#" + prefix + v.line }, "line " + v.line);
  return section(
    "Code",
    placed.length ? el("p", { class: "quiet" }, "Marked: ", placed.flatMap((v, i) => [i ? ", " : "", jump(v), " " + v.rule])) : null,
    homeless.map((v) => el("p", { class: "homeless" }, remark(v))),
    code === null ? null : codeView(code, placed, prefix),
    code === null || detail.code_lines ? null : cut(detail.code_length, code),
  );
}

function environmentView(detail) {
  const { attempt, place } = detail;
  const verdict = attempt.verdict;
  const where = (verdict && verdict.environment) || {};
  const held = verdict ? verdict.guarantees : null;
  return fold(
    "Environment, guarantees and identity",
    facts([
      ["judged on", place], ["driver", where.driver], ["torch", where.torch], ["triton", where.triton], ["python", where.python],
      ["platform", where.platform], ["evaluator", attempt.evaluator], ["took", verdict ? number(verdict.seconds, 3) + " s" : null],
    ]),
    held ? facts([
      ["isolation in force", held.sandbox.join(", ") || "none"], ["not available here", held.missing.join(", ")],
      ["clock audit", held.clock_audit ? "done" : "not done"], ["first defence", verdict.defence],
    ]) : null,
    facts([
      ["attempt", attempt.id], ["run", attempt.run], ["judged at", attempt.created], ["problem", attempt.problem],
      ["stage", attempt.stage], ["prompt's GPU", attempt.gpu], ["rules", attempt.rules], ["model answered as", attempt.reply.model_id],
      ["finish reason", attempt.reply.finish_reason],
      ["latency", attempt.reply.latency_s === null ? null : number(attempt.reply.latency_s, 3) + " s"],
      ["tokens", Object.entries(attempt.reply.usage).filter(([, v]) => typeof v === "number").map(([k, v]) => k + " " + v).join(", ")],
      ["candidate hash", verdict && verdict.candidate_hash], ["problem hash", verdict && verdict.problem_hash], ["prompt hash", attempt.reply.prompt_hash],
    ]),
  );
}

function variantView(variants) {
  return fold("Variants (" + variants.length + ")",
    table(["variant", "result", "detail"], variants.map((v) => [v.case, v.status, v.detail || ""])));
}

const shared = JSON.parse(document.getElementById("shared").textContent);

function diffPart(detail) {
  const { candidate, problem, reply } = detail.attempt;
  const current = shared.current[reply.prompt_hash] ?? shared.current[problem];
  if (!candidate || current === undefined) return null;
  const part = fold("Diff against the current code");
  part.addEventListener("toggle", () => {
    if (part.open && part.children.length === 1) part.append(diffView(current, codeOf(detail)));
  });
  return part;
}

function promptPart(detail) {
  const text = shared.prompts[detail.attempt.reply.prompt_hash];
  if (text === undefined) return null;
  const part = fold("The prompt");
  part.addEventListener("toggle", () => {
    if (part.open && part.children.length === 1) {
      part.append(el("pre", { class: "text", tabindex: "0", role: "region", "aria-label": "Prompt" }, shown(text)));
    }
  });
  return part;
}

function draw(attempt) {
  const detail = JSON.parse(attempt.querySelector("script").textContent);
  const { verdict, reply } = detail.attempt;
  const replyText = el("pre", { class: "text", tabindex: "0", role: "region", "aria-label": "Reply" }, shown(reply.text));
  attempt.append(el(
    "div", { class: "body" },
    whyView(detail),
    verdict && verdict.timing ? timingView(verdict.timing) : null,
    codePart(detail),
    diffPart(detail),
    promptPart(detail),
    fold(reply.is_code ? "The file as it was given" : "The whole reply", replyText, cut(detail.reply_length, reply.text)),
    verdict && verdict.output ? fold("What it printed", el("pre", { class: "text", tabindex: "0" }, shown(verdict.output))) : null,
    verdict && verdict.variants.length ? variantView(verdict.variants) : null,
    environmentView(detail),
  ));
  const first = verdict && verdict.status === "rejected" ? attempt.querySelector(".line.marked") : null;
  if (first) first.parentNode.scrollTop = first.offsetTop - first.parentNode.offsetTop - 60;
}

const list = document.getElementById("list");

function openFromAddress() {
  const target = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
  if (target && target.classList.contains("attempt")) {
    target.hidden = false;
    target.open = true;
    target.scrollIntoView({ block: "start" });
  }
}

function startList() {
  list.addEventListener("toggle", (event) => {
    const attempt = event.target;
    if (attempt.classList.contains("attempt") && attempt.open && !attempt.dataset.drawn) {
      attempt.dataset.drawn = "yes";
      draw(attempt);
    }
  }, true);
  document.addEventListener("keydown", (event) => {
    const text = document.getElementById("f-text");
    if (event.key === "/" && !event.target.matches("input, select, textarea")) { event.preventDefault(); text.focus(); }
  });
  window.addEventListener("hashchange", openFromAddress);
  openFromAddress();
}

if (list) startList();
