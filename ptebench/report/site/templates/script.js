// Sorts a table by the column whose heading is pressed: numbers downwards first, words upwards.
"use strict";

const told = document.getElementById("said");

function key(row, column) {
  const cell = row.cells[column];
  const text = (cell.dataset.sort ?? cell.textContent).trim();
  const number = text === "" || text === "–" ? NaN : Number(text.replace(/[,%]/g, ""));
  return { text, number, empty: text === "" || text === "–" };
}

function sort(table, heading) {
  const column = heading.cellIndex;
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: key(row, column) }));
  const numbers = rows.every(({ key }) => key.empty || !Number.isNaN(key.number));
  const known = heading.getAttribute("aria-sort");
  const down = known ? known === "ascending" : numbers;
  rows.sort((a, b) => {
    if (a.key.empty || b.key.empty) return a.key.empty - b.key.empty;
    const order = numbers ? a.key.number - b.key.number : a.key.text.localeCompare(b.key.text, "en", { numeric: true });
    return down ? -order : order;
  });
  for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  table.tBodies[0].append(...rows.map(({ row }) => row));
  told.textContent = `Sorted by ${heading.textContent}, ${down ? "descending" : "ascending"}`;
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sort(table, heading));
  }
}
