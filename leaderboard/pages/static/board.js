"use strict";
// Sorting and filtering of tables that are in the page already: without script they can be read all the same.
(function () {
  function compare(a, b, down, text) {
    if (a === "" || b === "") return a === b ? 0 : a === "" ? 1 : -1; // what is not known comes last
    const order = text ? a.localeCompare(b, "en", { numeric: true }) : Number(a) - Number(b);
    return down ? -order : order;
  }

  function sort(table, heads, place) {
    const head = heads[place];
    const now = head.getAttribute("aria-sort");
    const down = now ? now === "ascending" : head.dataset.first === "descending";
    const text = head.dataset.kind === "text";
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => [row, row.cells[place].dataset.value]);
    rows.sort((a, b) => compare(a[1], b[1], down, text));
    body.append(...rows.map((row) => row[0]));
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    say(head.innerText.trim() + ", " + (down ? "largest first" : "smallest first"));
  }

  function say(words) {
    const line = document.getElementById("said");
    if (line) line.textContent = words;
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.title = head.title;
      head.removeAttribute("title");
      head.append(button);
      button.addEventListener("click", () => sort(table, heads, place));
    });
  }

  const board = document.getElementById("board");
  const controls = document.getElementById("controls");
  if (!board || !controls) return;
  controls.hidden = false;
  const name = document.getElementById("filter-name");
  const group = document.getElementById("filter-group");

  function filter() {
    const wanted = name.value.trim().toLowerCase();
    let shown = 0;
    for (const row of board.tBodies[0].rows) {
      const fits = row.dataset.name.toLowerCase().includes(wanted) &&
        (group.value === "" || row.dataset.groups.split(" ").includes(group.value));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    say(shown + " of " + board.tBodies[0].rows.length + " submissions shown");
  }

  name.addEventListener("input", filter);
  group.addEventListener("change", filter);
  controls.addEventListener("reset", () => setTimeout(filter, 0));
  controls.addEventListener("submit", (event) => event.preventDefault());
})();
