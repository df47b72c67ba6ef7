// The picture: pairs of before and after of one frame, and the slider between them.
const picture = { last: 0, shown: null, waiting: null, busy: false };

async function watchPicture() {
  for (let wait = 500; ; wait = Math.min(2 * wait, 5000)) {
    // Nobody looks: the device needn't encode.
    while (document.hidden) await new Promise(seen => document.addEventListener("visibilitychange", seen, { once: true }));
    const hidden = new AbortController();
    const leave = () => document.hidden && hidden.abort();
    document.addEventListener("visibilitychange", leave);
    try {
      let before;
      for await (const [head, jpeg] of parts(await ask("both.mjpg", { signal: hidden.signal }))) {
        const name = head.get("X-Picture"), frame = head.get("X-Frame");
        if (name === "input") before = { frame, jpeg };
        else if (before?.frame === frame) show(frame, before.jpeg, jpeg);
        wait = 500;
      }
    } catch { /* Begun anew. */ }
    document.removeEventListener("visibilitychange", leave);
    if (!document.hidden) await pause(wait);
  }
}

// Decodes and draws a pair; one that comes while another is decoded takes the place of those
// that wait.
async function show(frame, before, after) {
  picture.waiting = [frame, before, after];
  if (picture.busy) return;
  picture.busy = true;
  while (picture.waiting) {
    const [frame, ...jpegs] = picture.waiting;
    picture.waiting = null;
    const decode = jpeg => createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    const decoded = await Promise.all(jpegs.map(decode)).catch(() => null);
    if (!decoded) continue;
    for (const [i, name] of ["before", "after"].entries()) {
      const canvas = element(name), image = decoded[i];
      if (canvas.width !== image.width || canvas.height !== image.height) {
        [canvas.width, canvas.height] = [image.width, image.height];
      }
      canvas.getContext("2d", { alpha: false }).drawImage(image, 0, 0);
      image.close();
    }
    if (frame !== picture.shown) picture.last = performance.now();
    picture.shown = frame;
    element("stage").dataset.frame = frame;
    if (element("notice").textContent) noticeSilence();
  }
  picture.busy = false;
}

function noticeSilence() {
  const seconds = Math.floor((performance.now() - picture.last) / 1000);
  const silent = !picture.last || seconds >= 3;
  element("stage").classList.toggle("quietly", silent);
  const silence = picture.last ? `no new picture for ${seconds} s` : "waiting for the first frame";
  const complaint = performance.now() < picture.complainUntil ? picture.complaint : "";
  write("notice", complaint || (silent ? silence : ""));
}

// Says for a while why something that was asked for can't be had.
function complain(error) {
  picture.complaint = error.message;
  picture.complainUntil = performance.now() + 4000;
  noticeSilence();
}

function moveSplit(percent) {
  const stage = element("stage"), split = element("split");
  split.value = percent;
  stage.style.setProperty("--split", `${split.value}%`);
  stage.dataset.near = split.value < 14 ? "before" : split.value > 86 ? "after" : "";
}

function followPointer() {
  const stage = element("stage"), split = element("split");
  const move = event => {
    const box = stage.getBoundingClientRect();
    moveSplit(100 * (event.clientX - box.left) / box.width);
  };
  stage.addEventListener("pointerdown", event => {
    if (event.button) return;
    stage.setPointerCapture(event.pointerId);
    split.focus({ preventScroll: true, focusVisible: false });
    move(event);
    event.preventDefault();
  });
  stage.addEventListener("pointermove", event => stage.hasPointerCapture(event.pointerId) && move(event));
  split.addEventListener("input", () => moveSplit(split.value));
  moveSplit(split.value);
}

async function save(path, name) {
  const link = document.createElement("a");
  try {
    link.href = URL.createObjectURL(await (await ask(path)).blob());
  } catch (error) {
    return complain(error);
  }
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  link.download = `vlunet-${time}-${name}.jpg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function watchButtons() {
  element("save-before").onclick = () => save("snapshot.jpg?input", "before");
  element("save-after").onclick = () => save("snapshot.jpg", "after");
}
