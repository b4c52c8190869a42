// Exact values under the pointer, read from the table behind each chart. The page is whole without it.
for (const figure of document.querySelectorAll("figure")) {
  const plot = figure.querySelector(".plot");
  const heads = [...figure.querySelectorAll("thead th")].map((cell) => cell.textContent);
  const rows = [...figure.querySelectorAll("tbody tr")].map((row) => ({
    panel: Number(row.dataset.panel ?? 0),
    across: row.dataset.x !== undefined,
    at: Number(row.dataset.x ?? row.dataset.y),
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
    const box = svg.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    // The pieces of the drawing in pixels, and the one that the pointer is in or close to.
    const frames = svg.dataset.frames.split(",").map((frame) => {
      const [left, right, top, bottom] = frame.split(" ").map(Number);
      return { left: left * box.width, right: right * box.width, top: top * box.height, bottom: bottom * box.height };
    });
    const beside = ({ left, right, top, bottom }) => Math.max(left - x, x - right, top - y, y - bottom, 0);
    const panel = frames.reduce((best, frame, place) => (beside(frame) < beside(frames[best]) ? place : best), 0);
    const frame = frames[panel];
    if (beside(frame) > 24) return hide();
    const share = (row) =>
      row.across ? (x - frame.left) / (frame.right - frame.left) : (y - frame.top) / (frame.bottom - frame.top);
    const away = (row) => Math.abs(row.at - share(row));
    const inside = rows.filter((row) => row.panel === panel);
    if (!inside.length) return hide();
    const near = inside.reduce((best, row) => (away(row) < away(best) ? row : best));
    tip.replaceChildren(
      ...near.cells.map((text, place) => {
        const line = document.createElement(place ? "span" : "b");
        line.textContent = place ? `${heads[place]}: ${text}` : text;
        return line;
      }),
    );
    plot.classList.add("pointed");
    const at = near.across ? frame.left + near.at * (frame.right - frame.left) : x;
    rule.style.cssText = near.across
      ? `left: ${at}px; top: ${frame.top}px; height: ${frame.bottom - frame.top}px`
      : "visibility: hidden";
    tip.style.left = `${Math.max(0, Math.min(at + 12, box.width - tip.offsetWidth))}px`;
    tip.style.top = `${near.across ? frame.top : y + 12}px`;
  });
}
