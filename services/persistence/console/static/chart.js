// Draws the rates of the table that stands beside the chart, so that both say the same.
"use strict";
(() => {
  const box = document.getElementById("chart");
  const table = document.getElementById(box?.dataset.table);
  if (!table || typeof uPlot === "undefined") return;

  const names = [...table.querySelectorAll("th[data-outcome]")].map((th) => th.dataset.outcome);
  const rows = [...table.querySelectorAll("tr[data-at]")];
  const times = rows.map((row) => Number(row.dataset.at));
  const series = names.map((_, i) => rows.map((row) => Number(row.querySelectorAll("td")[i].dataset.n)));
  const dashes = { duplicate: [2, 3], conflict: [6, 3], refused: [9, 3, 2, 3] }; // not by colour alone

  function colour(name) {
    const probe = document.createElement("span");
    probe.className = "tag " + name;
    box.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function ink(property) {
    const probe = document.createElement("span");
    probe.className = property;
    box.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  // A whole day by its date, and a moment within one by its hour, both of UTC.
  const date = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });
  const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" });
  const label = (tick) => (tick % 86400 === 0 ? date : hour).format(new Date(tick * 1000));
  const short = new Intl.NumberFormat(undefined, { notation: "compact" });
  let plot;
  function draw() {
    plot?.destroy();
    box.hidden = false;
    const dim = ink("dim");
    const grid = { stroke: getComputedStyle(box).borderTopColor, width: 1 };
    plot = new uPlot({
      width: box.clientWidth - 16, height: 260,
      tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
      cursor: { points: { size: 7 } },
      scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.05)] } },
      axes: [
        { stroke: dim, grid, ticks: grid, values: (_, ticks) => ticks.map(label) },
        { stroke: dim, grid, ticks: grid, size: 56, values: (_, ticks) => ticks.map((n) => (Number.isInteger(n) ? short.format(n) : "")) },
      ],
      series: [
        { value: "{YYYY}-{MM}-{DD} {HH}:{mm}" },
        ...names.map((name) => ({
          label: name, stroke: colour(name), width: 2, dash: dashes[name], points: { show: false },
          fill: name === "stored" ? colour(name).replace(/^rgb\((.*)\)$/, "rgba($1, .1)") : undefined,
        })),
      ],
    }, [times, ...series], box);
  }

  draw();
  document.addEventListener("theme", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(() => {
    const width = box.clientWidth - 16;
    if (plot && width > 0 && plot.width !== width) plot.setSize({ width, height: 260 });
  }).observe(box);
})();
