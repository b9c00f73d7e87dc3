"use strict";
const found = JSON.parse(document.getElementById("document").textContent);
const charts = JSON.parse(document.getElementById("charts").textContent);
const datasets = {
  calendar: found.calendar,
  by_month: found.by_month,
  by_model: Object.entries(found.by_model).map(([miner_model, counts]) => ({ miner_model, ...counts })),
  btc_by_month: found.btc_by_month,
};

async function draw(place) {
  const chart = charts[place.dataset.chart];
  const spec = { ...chart, datasets: { [chart.data.name]: datasets[chart.data.name] } };
  await vegaEmbed(place, spec, { mode: "vega-lite", renderer: "svg", actions: false, ast: true, hover: false });
}

function compare(one, other) {
  const [a, b] = [one, other].map((cell) => cell.dataset.value ?? cell.textContent.trim());
  return Number.isNaN(Number(a)) || Number.isNaN(Number(b)) ? a.localeCompare(b) : Number(a) - Number(b);
}

function sort(header) {
  const table = header.closest("table");
  const column = [...header.parentNode.children].indexOf(header);
  const ascending = header.getAttribute("aria-sort") === "descending" || (column === 0 && !header.hasAttribute("aria-sort"));
  for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(a.cells[column], b.cells[column]) * (ascending ? 1 : -1));
  table.tBodies[0].append(...rows);
}

for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => sort(button.parentNode));
}
Promise.all([...document.querySelectorAll("[data-chart]")].map(draw)).then(() => {
  performance.mark("drawn");
});
