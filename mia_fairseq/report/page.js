// Sorts a table by the column whose head is pressed; published rows stay below.
document.querySelectorAll("table.sortable").forEach((table) => {
  const body = table.tBodies[0];
  table.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => {
    const head = button.parentElement;
    const down = head.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[head.cellIndex].dataset.value ?? "";
    const sign = down ? -1 : 1;
    const order = [...body.rows].sort((a, b) => {
      const published = a.classList.contains("published") - b.classList.contains("published");
      const [one, other] = [key(a), key(b)];
      if (published || !one || !other) return published || !one - !other;
      const numbers = one - other;
      return sign * (Number.isNaN(numbers) ? one.localeCompare(other) : numbers);
    });
    body.append(...order);
  }));
});
