// What the loop tells, twice a second, and the buttons that ask something of it.
const number = (value, digits) => Number.isFinite(value) ? value.toFixed(digits) : "–";
const ms = value => number(value, value < 10 ? 1 : 0);
const percent = value => `${Math.round(100 * value)} %`;
const write = (id, text) => { if (element(id).textContent !== text) element(id).textContent = text; };
const sum = values => values.reduce((total, value) => total + value, 0);

function make(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

async function watchPanel() {
  for (;;) {
    if (!document.hidden) {
      try {
        const [status, history, asked] = await Promise.all(["api/status", "api/history", "api/control"]
          .map(async path => (await ask(path)).json()));
        element("state").title = "";
        drawStatus(status);
        drawTasks(status.detected.tasks, asked);
        drawGraph(history);
      } catch (error) {
        tell(error);
      }
    }
    noticeSilence();
    await pause(500);
  }
}

function tell(error) {
  element("state").dataset.state = "offline";
  write("state", "connection lost");
  element("state").title = error.message;
}

function drawStatus(status) {
  element("state").dataset.state = status.state;
  write("state", status.state);
  write("source", status.source);
  const { detected } = status;
  write("label", detected.label || "nothing yet");
  write("confidence", detected.label ? percent(detected.confidence) : "");
  drawScores(detected);
  write("fps-in", number(status.fps_in, 1));
  write("fps-out", number(status.fps_out, 1));
  const { source, damaged, restore, sinks } = status.dropped;
  write("dropped", String(source + damaged + restore + sum(Object.values(sinks))));
  for (const rank of ["p50", "p90", "p99"]) write(rank, ms(status.age_ms[rank]));
  drawFacts(status);
  drawFaults(status.faults);
}

function drawScores({ tasks, task }) {
  const list = element("scores"), names = Object.keys(tasks);
  if (list.dataset.names !== names.join()) {
    list.dataset.names = names.join();
    list.replaceChildren(...names.map(name => {
      const row = make("li"), bar = make("div", undefined, "meter");
      for (const [key, value] of Object.entries({ role: "meter", "aria-label": name, "aria-valuemax": 100 })) bar.setAttribute(key, value);
      bar.append(make("i"));
      row.append(make("span", name), bar, make("b"));
      return row;
    }));
  }
  names.forEach((name, i) => {
    const [, bar, text] = list.children[i].children;
    bar.setAttribute("aria-valuenow", Math.round(100 * tasks[name]));
    bar.firstChild.style.width = `${100 * tasks[name]}%`;
    text.textContent = percent(tasks[name]);
    list.children[i].classList.toggle("best", name === task);
  });
}

function drawFacts({ model, engine, size, uptime_s, bypassed, frames_out, fps_target, governor, board, stage_ms }) {
  const facts = [];
  const add = (name, value, bad) => facts.push([name, value, bad]);
  if (model) add("model", model);
  if (engine) add("runs on", engine);
  if (size[0]) add("picture", `${size[0]} × ${size[1]}`);
  if (governor.tier) {
    const every = governor.every > 1 ? `, every ${governor.every} frames` : "";
    const scale = governor.scale > 0 && governor.scale < 1 ? ` at ${percent(governor.scale)}` : "";
    add("governor", `${governor.tier}${scale}${every}`);
  }
  if (governor.reason) add("because", governor.reason);
  if (fps_target) add("target", `${number(fps_target, 1)} fps`);
  if (stage_ms.restore.p50) add("restoring", `${ms(stage_ms.restore.p50)} ms`);
  if (frames_out) add("untouched", percent(bypassed / frames_out));
  if (board.profile) add("board", board.profile);
  if (board.temperature_c !== null) add("temperature", `${number(board.temperature_c, 0)} °C`, board.throttled);
  if (board.throttled) add("throttled", "by the board itself", true);
  if (board.undervoltage) add("supply", "too weak", true);
  add("running for", duration(uptime_s));
  element("facts").replaceChildren(...facts.flatMap(([name, value, bad]) =>
    [make("dt", name), make("dd", value, bad ? "bad" : "")]));
}

function duration(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const from = units.findIndex(([, size]) => seconds >= size);
  const [first, second] = units.slice(from < 0 ? 3 : from);
  const whole = `${Math.floor(seconds / first[1])} ${first[0]}`;
  return second ? `${whole} ${Math.floor(seconds % first[1] / second[1])} ${second[0]}` : whole;
}

function drawFaults(faults) {
  const kinds = Object.entries(faults);
  element("faults-card").hidden = !kinds.length;
  element("faults").replaceChildren(...kinds.map(([kind, fault]) => {
    const row = make("li", undefined, fault.active ? "active" : "");
    row.append(make("strong", `${kind}${fault.active ? "" : " (over)"}`), make("span", ` × ${fault.count} `), make("br"), make("small", fault.message));
    return row;
  }));
}

// Buttons for every task that the model knows; what passes untouched is bypass's.
function drawTasks(tasks, asked) {
  const names = ["auto", ...Object.keys(tasks).filter(name => name !== "clear")];
  // One that was chosen elsewhere, in other words.
  if (!names.includes(asked.task)) names.push(asked.task);
  const group = element("tasks");
  if (group.dataset.names !== names.join()) {
    group.dataset.names = names.join();
    group.replaceChildren(...names.map(name => {
      const button = make("button", name);
      button.type = "button";
      button.onclick = () => change({ task: name });
      return button;
    }));
  }
  [...group.children].forEach(button => button.setAttribute("aria-pressed", button.textContent === asked.task));
  element("bypass").setAttribute("aria-pressed", asked.bypass);
  element("bypass").onclick = () => change({ bypass: !asked.bypass });
  drawTasks.of = tasks;
}

async function change(what) {
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await ask("api/control", { method: "POST", headers, body: JSON.stringify(what) });
    drawTasks(drawTasks.of, await answer.json());
  } catch (error) {
    complain(error);
  }
}
