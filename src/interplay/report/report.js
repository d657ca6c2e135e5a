// Sorts and filters the tables of a report. The page is complete without it.
"use strict";
(() => {
  const text = (cell) => cell.textContent.trim();
  const empty = (value) => value === "" || value === "–";
  const words = new Intl.Collator(undefined, { numeric: true });

  // Numbers where a whole column begins with numbers, words elsewhere; what is empty comes last either way.
  function order(column, direction) {
    const numbers = column.every((value) => empty(value) || !Number.isNaN(Number.parseFloat(value)));
    const compare = numbers ? (a, b) => Number.parseFloat(a) - Number.parseFloat(b) : words.compare;
    return (a, b) => (empty(a) || empty(b) ? empty(a) - empty(b) : direction * compare(a, b));
  }

  function sort(table, header) {
    const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => [text(row.cells[header.cellIndex]), row]);
    const compare = order(keyed.map(([key]) => key), direction);
    keyed.sort(([a], [b]) => compare(a, b));
    body.append(...keyed.map(([, row]) => row));
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
  }

  function makeSortable(table) {
    for (const header of table.tHead.rows[0].querySelectorAll("th:not(.fixed)")) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sort(table, header));
      header.append(button);
    }
  }

  function filter(form, table) {
    const rows = [...table.tBodies[0].rows];
    const search = form.elements.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = [...form.querySelectorAll("select")]
      .filter((select) => select.value)
      .map((select) => [table.tHead.querySelector(`[data-key="${select.name}"]`).cellIndex, select.value]);
    for (const row of rows) {
      const line = [...row.cells].map(text).join("\n").toLowerCase();
      row.hidden =
        !search.every((word) => line.includes(word)) ||
        !wanted.every(([column, value]) => text(row.cells[column]) === value);
    }
    const shown = rows.filter((row) => !row.hidden).length;
    form.querySelector("[role=status]").textContent = `${shown} of ${rows.length} rows`;
  }

  function makeFilter(form) {
    const table = document.getElementById(form.dataset.table);
    const apply = () => filter(form, table);
    form.addEventListener("input", apply);
    form.addEventListener("reset", () => setTimeout(apply)); // after the controls are empty
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    apply();
  }

  document.querySelectorAll("table.sortable").forEach(makeSortable);
  document.querySelectorAll("form[data-table]").forEach(makeFilter);
})();
