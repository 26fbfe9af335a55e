/* Keeps the numbers of the live page up to date, and asks the server again when a filter changes. */

function minutes(seconds) {
  if (seconds === null) return "not known";
  if (seconds < 90) return Math.ceil(seconds) + " s";
  return seconds < 5400 ? Math.round(seconds / 60) + " min" : (seconds / 3600).toFixed(1) + " h";
}

function startLive() {
  const panel = document.getElementById("live");
  const shown = Number(panel.dataset.attempts);
  const put = (name, text) => { panel.querySelector("[data-live=" + name + "]").textContent = text; };
  const source = new EventSource("/events");
  source.addEventListener("message", (event) => {
    const now = JSON.parse(event.data);
    put("state", now.running.length ? now.running.length + (now.running.length === 1 ? " run at work" : " runs at work") : "nothing runs");
    put("attempts", String(now.attempts));
    put("rate", now.per_minute + " a minute");
    put("flight", String(now.calls_in_flight));
    put("waiting", String(now.waiting));
    put("gpus", now.gpus_busy.length ? now.gpus_busy.join(", ") : "none");
    put("cost", now.cost === null ? "not known" : now.cost.toFixed(now.cost < 1 ? 4 : 2));
    put("left", now.running.length ? minutes(now.seconds_left) : "–");
    const fresh = document.getElementById("fresh");
    const more = now.attempts - shown;
    fresh.hidden = more <= 0;
    fresh.textContent = "Show " + more + " new attempt" + (more === 1 ? "" : "s");
    panel.dataset.connected = "yes";
  });
  source.addEventListener("error", () => put("state", "the server does not answer"));
  const form = document.getElementById("filters");
  for (const node of form.querySelectorAll("select, input[type=checkbox]")) {
    node.addEventListener("change", () => form.requestSubmit());
  }
  if (list && list.children.length === 1) list.children[0].open = true;
}

startLive();
