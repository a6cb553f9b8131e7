// Charts of the desk. Each is drawn from the rows of its table, so that both always say the same:
// <div data-chart="id of the table" data-series="names of the rows' data-…">

const HEIGHT = 240;
const HALF_A_DAY = 43_200 * 1.1;
const COLOURS = { gross: "--brand", succeeded: "--brand", refunds: "--clay", failed: "--clay" };
const TITLES = { gross: "Sales", refunds: "Refunds", succeeded: "Paid", failed: "Failed" };

function colour(name) {
  // light-dark() is resolved by an element, not by getPropertyValue.
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function draw(place) {
  const rows = [...document.getElementById(place.dataset.chart).tBodies[0].rows];
  const names = place.dataset.series.split(" ");
  const days = rows.map((row) => Date.parse(`${row.dataset.day}T00:00:00+03:00`) / 1000);
  const figures = names.map((name) => rows.map((row) => Number(row.dataset[name])));
  const [ink, line] = [colour("--quiet"), colour("--line")];
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "13px system-ui, sans-serif" };
  const short = new Intl.NumberFormat("en-KE", { notation: "compact", maximumFractionDigits: 1 });
  const whole = new Intl.NumberFormat("en-KE");
  const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "Africa/Nairobi" });
  const bars = [uPlot.paths.bars({ size: [0.7, 40], radius: 0.15 }), uPlot.paths.bars({ size: [0.28, 16], radius: 0.15 })];
  place.hidden = false;
  place.replaceChildren();
  return new uPlot(
    {
      width: place.clientWidth,
      height: HEIGHT,
      tzDate: (moment) => uPlot.tzDate(new Date(moment * 1000), "Africa/Nairobi"),
      cursor: { drag: { x: false, y: false }, points: { show: false } },
      scales: { x: { time: true, range: (_chart, first, last) => [first - HALF_A_DAY, last + HALF_A_DAY] }, y: { range: (_chart, _low, high) => [0, Math.max(high, 1) * 1.1] } },
      axes: [
        { ...axis, grid: { show: false }, values: (_chart, ticks) => ticks.map((tick) => date.format(tick * 1000)), space: 70 },
        { ...axis, values: (_chart, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? short.format(tick) : "")), size: 48 },
      ],
      series: [
        { label: "Day", value: (_chart, day) => (day == null ? "–" : date.format(day * 1000)) },
        ...names.map((name, place) => ({
          label: TITLES[name],
          stroke: colour(COLOURS[name]),
          fill: colour(COLOURS[name]),
          width: 0,
          paths: bars[place],
          points: { show: false },
          value: (_chart, figure) => (figure == null ? "–" : whole.format(figure)),
        })),
      ],
    },
    [days, ...figures],
    place,
  );
}

for (const place of document.querySelectorAll("[data-chart]")) {
  let chart = draw(place);
  new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (chart = draw(place)));
}
