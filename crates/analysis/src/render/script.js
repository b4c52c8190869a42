// Exact values under the pointer, read from the table behind each chart. The page is whole without it.
for (const figure of document.querySelectorAll("figure")) {
  const plot = figure.querySelector(".plot");
  const heads = [...figure.querySelectorAll("thead th")].map((cell) => cell.textContent);
  const rows = [...figure.querySelectorAll("tbody tr[data-x]")].map((row) => ({
    x: Number(row.dataset.x),
    cells: [...row.children].map((cell) => cell.textContent),
  }));
  if (!plot || !rows.length) continue;
  const rule = plot.appendChild(document.createElement("i"));
  const tip = plot.appendChild(document.createElement("div"));
  rule.className = "rule";
  tip.className = "tip";
  tip.setAttribute("aria-hidden", "true");
  const hide = () => plot.classList.remove("pointed");
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("pointermove", (event) => {
    const svg = [...plot.querySelectorAll("svg")].find((one) => one.clientWidth > 0);
    const frame = svg.getBoundingClientRect();
    const left = frame.width * Number(svg.dataset.left);
    const width = frame.width * Number(svg.dataset.right) - left;
    const at = (event.clientX - frame.left - left) / width;
    if (at < -0.02 || at > 1.02) return hide();
    const near = rows.reduce((best, row) => (Math.abs(row.x - at) < Math.abs(best.x - at) ? row : best));
    const x = left + near.x * width;
    tip.replaceChildren(
      ...near.cells.map((text, place) => {
        const line = document.createElement(place ? "span" : "b");
        line.textContent = place ? `${heads[place]}: ${text}` : text;
        return line;
      }),
    );
    plot.classList.add("pointed");
    rule.style.left = `${x}px`;
    tip.style.left = `${Math.max(0, Math.min(x + 12, frame.width - tip.offsetWidth))}px`;
  });
}
