// Shows what the server sends each second. What comes from clients is set as text, never as HTML.

const number = new Intl.NumberFormat("en");
const time = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** Cells that are drawn; there may be thousands of clients. */
const MOST_CELLS = 512;

/** What the lines are drawn in; see the SVG. */
const WIDTH = 600;
const HEIGHT = 120;
const SECONDS = 120;

const SVG_BOTTOM = HEIGHT - 2;

function byId(id) {
  return document.getElementById(id);
}

/** Leaves what is right as it is, so that nothing is read aloud twice and selections stay. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function milliseconds(value) {
  return value < 10 ? value.toFixed(2) : number.format(Math.round(value));
}

function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${number.format(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

function showNumbers(stats) {
  for (const element of document.querySelectorAll("[data-stat]")) {
    write(element, number.format(stats[element.dataset.stat]));
  }
  for (const element of document.querySelectorAll("[data-latency]")) {
    write(element, `${milliseconds(stats.latency[element.dataset.latency])} ms`);
  }
}

/** What the instances of the pipe do; each has at most one client. */
function showInstances({ listening, clients, open, waiting }) {
  const states = { listening, idle: Math.max(0, clients - open - waiting), open, waiting };
  const cells = [];
  for (const [state, count] of Object.entries(states)) {
    write(byId(state), number.format(count));
    for (let i = 0; i < count && cells.length < MOST_CELLS; i++) {
      const cell = document.createElement("span");
      cell.className = `cell ${state}`;
      cells.push(cell);
    }
  }
  const grid = byId("grid");
  grid.replaceChildren(...cells);
  grid.setAttribute(
    "aria-label",
    `${listening} listening, ${states.idle} idle, ${open} being answered, ${waiting} waiting`,
  );
}

function showLine(name, values, format, unit) {
  const most = Math.max(...values, 0);
  const last = values.at(-1) ?? 0;
  const left = WIDTH - (values.length - 1) * WIDTH / (SECONDS - 1);
  const points = values.map((value, i) => {
    const x = left + i * WIDTH / (SECONDS - 1);
    const y = most === 0 ? SVG_BOTTOM : SVG_BOTTOM - value / most * (SVG_BOTTOM - 2);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const svg = byId(`${name}-line`);
  svg.querySelector("polyline").setAttribute("points", points.join(" "));
  const text = `${format(last)}${unit} now, at most ${format(most)}${unit} in 2 minutes`;
  write(svg.querySelector("title"), text);
  write(byId(name), format(last));
  write(byId(`${name}-most`), format(most));
}

function cellsOf({ id, user, processId, executable, age, requests, bytesIn, bytesOut }) {
  return [
    number.format(id),
    user ?? "unknown",
    processId === undefined ? "unknown" : String(processId),
    executable?.split("\\").at(-1) ?? "unknown",
    duration(age),
    number.format(requests),
    number.format(bytesIn),
    number.format(bytesOut),
  ];
}

function showClients(clients, all) {
  const body = byId("clients");
  clients.forEach((client, at) => {
    const row = body.rows[at] ?? body.insertRow();
    cellsOf(client).forEach((text, at) => write(row.cells[at] ?? row.insertCell(), text));
    row.cells[3].title = client.executable ?? "";
  });
  while (body.rows.length > clients.length) body.deleteRow(-1);
  const more = byId("more");
  more.hidden = all <= clients.length;
  write(more, `and ${number.format(all - clients.length)} more`);
}

function showReasons(ended) {
  const reasons = byId("reasons");
  for (const [reason, count] of Object.entries(ended)) {
    let entry = reasons.querySelector(`[data-reason="${reason}"]`);
    if (entry === null) {
      if (count === 0) continue;
      entry = document.createElement("div");
      entry.dataset.reason = reason;
      entry.append(document.createElement("dt"), document.createElement("dd"));
      entry.querySelector("dt").textContent = reason;
      reasons.append(entry);
    }
    write(entry.querySelector("dd"), number.format(count));
  }
}

/** The latest first. A line may change as long as its second lasts. */
function showEnds(ends) {
  const list = byId("ends");
  const lines = new Map([...list.children].map((line) => [line.dataset.key, line]));
  const shown = ends.map((end) => {
    const key = `${end.time} ${end.reason}`;
    const line = lines.get(key) ?? document.createElement("li");
    line.dataset.key = key;
    const which = end.count === 1 ? `client ${end.client}` : `${number.format(end.count)} clients`;
    write(line, `${time.format(end.time)}  ${end.reason}: ${which}`);
    return line;
  });
  shown.forEach((line, at) => {
    if (list.children[at] !== line) list.insertBefore(line, list.children[at] ?? null);
  });
  while (list.children.length > shown.length) list.lastElementChild.remove();
}

function show({ path, now, stats, samples, clients, ends }) {
  write(byId("path"), path);
  write(byId("uptime"), `up for ${duration(now - stats.since)}`);
  document.title = path;
  showNumbers(stats);
  showInstances(stats);
  showLine("rate", samples.map(({ exchanges }) => exchanges), (value) => number.format(value), "");
  showLine("latency", samples.map(({ latency = 0 }) => latency), milliseconds, " ms");
  showClients(clients, stats.clients);
  showReasons(stats.ended);
  showEnds(ends);
}

const pause = byId("pause");
let latest;

function paused() {
  return pause.getAttribute("aria-pressed") === "true";
}

pause.addEventListener("click", () => {
  pause.setAttribute("aria-pressed", String(!paused()));
  write(byId("status"), paused() ? "Paused" : "Live");
  if (!paused() && latest !== undefined) show(latest);
});

const events = new EventSource("events");
events.addEventListener("message", ({ data }) => {
  latest = JSON.parse(data);
  if (paused()) return;
  write(byId("status"), "Live");
  show(latest);
});
events.addEventListener("error", () => write(byId("status"), "No connection to the server"));
