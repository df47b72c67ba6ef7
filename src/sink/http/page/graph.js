// The age of frames over the last minute: the mean as a line, up to the worst as an area.
function drawGraph({ step_ms, mean_ms, worst_ms }) {
  const canvas = element("graph"), { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
  const left = 34, bottom = 16, top = 5;
  const highest = niceAbove(Math.max(10, ...worst_ms.filter(value => value !== null)));
  const [unit, per] = highest <= 1000 ? ["ms", 1] : ["s", 1000];
  const steps = 120;
  const x = i => left + (i + steps - mean_ms.length) / (steps - 1) * (width - left - 1);
  const y = value => top + (1 - value / highest) * (height - top - bottom);

  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.lineWidth = 1;
  for (const share of [0, .5, 1]) {
    context.strokeStyle = colour("line");
    context.beginPath();
    context.moveTo(left, Math.round(y(share * highest)) + .5);
    context.lineTo(width, Math.round(y(share * highest)) + .5);
    context.stroke();
    context.fillStyle = colour("quiet");
    context.textAlign = "right";
    context.fillText(`${share * highest / per}`, left - 6, y(share * highest));
  }
  context.textAlign = "left";
  context.fillText(`−${Math.round(step_ms * steps / 1000)} s`, left, height - 6);
  context.textAlign = "right";
  context.fillText(`now, in ${unit}`, width, height - 6);

  for (const run of runs(mean_ms)) {
    const trace = (points, values) => points.forEach(i => context.lineTo(x(i), y(values[i])));
    // One alone makes no line.
    if (run.length === 1) {
      context.fillStyle = colour("after");
      context.fillRect(x(run[0]) - 1.5, y(mean_ms[run[0]]) - 1.5, 3, 3);
    }
    context.beginPath();
    trace(run, worst_ms);
    context.strokeStyle = colour("before");
    context.stroke();
    trace(run.toReversed(), mean_ms);
    context.globalAlpha = .25;
    context.fillStyle = colour("before");
    context.fill();
    context.globalAlpha = 1;
    context.beginPath();
    trace(run, mean_ms);
    context.strokeStyle = colour("after");
    context.lineWidth = 2;
    context.stroke();
    context.lineWidth = 1;
  }
}

// Where values follow each other with gaps of at most two seconds, as of a slow loop: their
// indices.
function runs(values) {
  const found = [];
  values.forEach((value, i) => {
    if (value === null) return;
    const last = found.at(-1);
    if (last && i - last.at(-1) <= 4) last.push(i);
    else found.push([i]);
  });
  return found;
}

// The next of 1, 2, 5 times a power of ten.
function niceAbove(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find(step => step * power >= value);
}

token.fromAddress();
followPointer();
watchButtons();
watchPicture();
watchPanel();
