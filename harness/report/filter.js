/* Filters and sorts the list of a file, which holds every attempt. */

function startFilters() {
  const attempts = [...list.children];
  const byId = (id) => document.getElementById(id);
  const picks = ["model", "problem", "place", "stage"].map((name) => [name, byId("f-" + name)]).filter(([, node]) => node);
  const boxes = [...document.querySelectorAll("input[name=status]")];
  const text = byId("f-text");

  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = boxes.filter((box) => box.checked).map((box) => box.value);
    let count = 0;
    for (const attempt of attempts) {
      const data = attempt.dataset;
      const fits = (!wanted.length || wanted.includes(data.status)) &&
        picks.every(([name, node]) => !node.value || data[name] === node.value) &&
        words.every((word) => data.search.includes(word));
      attempt.hidden = !fits;
      count += fits;
    }
    byId("f-count").textContent = count === attempts.length ? count + " attempts" : count + " of " + attempts.length + " attempts";
    byId("none").hidden = count > 0;
  };

  const orders = {
    newest: (a, b) => (a.dataset.created < b.dataset.created ? 1 : -1),
    oldest: (a, b) => (a.dataset.created > b.dataset.created ? 1 : -1),
    model: (a, b) => a.dataset.model.localeCompare(b.dataset.model),
  };
  const sort = () => {
    const order = orders[byId("f-sort").value];
    list.append(...(order ? [...attempts].sort(order) : attempts));
  };

  let waiting = 0;
  text.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); });
  for (const node of [...boxes, ...picks.map(([, pick]) => pick)]) node.addEventListener("change", filter);
  byId("f-sort").addEventListener("change", sort);
  filter();
  openFromAddress();
}

if (list) startFilters();
