// What a person sees and does on the page of the HTTP sink.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { film, launch, until } from "./camera.mjs";

const desktop = { viewport: { width: 1280, height: 800 }, colorScheme: "dark" };
const phone = { viewport: { width: 390, height: 844 }, colorScheme: "light", deviceScaleFactor: 2, hasTouch: true, isMobile: true };

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

// Opens the page; what the browser complains about (scripts, the content policy) fails the test.
async function visit(t, address, options = desktop) {
  const context = await browser.newContext(options);
  const page = await context.newPage(), complaints = [];
  page.on("pageerror", error => complaints.push(error.message));
  page.on("console", message => message.type() === "error" && complaints.push(message.text()));
  t.after(() => context.close());
  await page.goto(address);
  return { page, complaints };
}

async function filmed(t, weather, token) {
  const camera = await film(weather, token);
  t.after(camera.stop);
  return camera;
}

const text = (page, id) => page.locator(`#${id}`).textContent();
const frame = async page => Number(await page.locator("#stage").getAttribute("data-frame"));
const pressed = (page, name) => page.getByRole("button", { name, exact: true }).getAttribute("aria-pressed");
const split = page => page.locator("#split").inputValue();
const flowing = page => until("a frame is shown", () => frame(page));
const shot = (page, name) => page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}.png` });

// How far a screenshot's pixels are from their mean: fog makes that small.
async function contrast(page, png) {
  return page.evaluate(async base64 => {
    const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt());
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const red = context.getImageData(0, 0, image.width, image.height).data.filter((_, i) => i % 4 === 0);
    const mean = red.reduce((a, b) => a + b, 0) / red.length;
    return Math.sqrt(red.reduce((sum, value) => sum + (value - mean) ** 2, 0) / red.length);
  }, png.toString("base64"));
}

// Both canvases' pixels are the same.
const untouched = page => page.evaluate(() => {
  const [a, b] = ["before", "after"].map(id => {
    const canvas = document.getElementById(id);
    return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  });
  return a.every((value, i) => value === b[i]);
});

test("in fog: the picture moves, the slider divides it, the buttons work", async t => {
  const camera = await filmed(t, "fog");
  const { page, complaints } = await visit(t, camera.address);
  await flowing(page);

  await t.test("the picture moves", async () => {
    const stage = page.locator("#stage"), first = await frame(page), seen = await stage.screenshot();
    await until("another frame is shown", async () => await frame(page) > first);
    // The page counts a frame before the browser paints it.
    await until("it is painted", async () => !seen.equals(await stage.screenshot()));
  });

  await t.test("the label is that of the weather", async () => {
    await until("haze is seen", async () => /haze/.test(await text(page, "label")));
    await until("the state is told", async () => await text(page, "state") === "restoring");
    const share = await page.getByRole("meter", { name: "dehaze" }).getAttribute("aria-valuenow");
    assert(Number(share) > 50, share);
    // Both are told of the last second, which must have passed.
    await until("the rate is told", async () => Number(await text(page, "fps-out")) > 0);
    await until("the age is told", async () => Number(await text(page, "p99")) > 0);
  });

  await t.test("the slider follows the mouse and the keys", async () => {
    const box = await page.locator("#stage").boundingBox(), middle = box.y + box.height / 3;
    const drag = async share => {
      await page.mouse.down();
      await page.mouse.move(box.x + share * box.width, middle, { steps: 5 });
      await page.mouse.up();
    };
    await page.mouse.move(box.x + box.width / 2, middle);
    await drag(0.25);
    assert.equal(await split(page), "25");
    const line = await page.locator("#divider").boundingBox();
    assert(Math.abs(line.x + line.width / 2 - box.x - box.width / 4) < 3, "the line is where the mouse is");
    await page.mouse.move(box.x + 300, middle);
    assert.equal(await split(page), "25", "it stays when the button is up");
    await page.locator("#split").focus();
    await page.keyboard.press("ArrowRight");
    assert.equal(await split(page), "26");
    await page.keyboard.press("End");
    const before = await contrast(page, await page.locator("#stage").screenshot());
    await page.keyboard.press("Home");
    const after = await contrast(page, await page.locator("#stage").screenshot());
    assert.equal(await split(page), "0");
    assert(after > 1.15 * before, `contrast ${before} in fog, ${after} restored`);
    await page.mouse.move(box.x, middle);
    await drag(0.5);
  });

  await t.test("bypass lets frames pass, and back", async () => {
    assert(!await untouched(page));
    await page.getByRole("button", { name: "Bypass" }).click();
    await until("it is bypassed", async () => await text(page, "state") === "bypass" && await untouched(page));
    assert.equal(await pressed(page, "Bypass"), "true");
    await page.getByRole("button", { name: "Bypass" }).click();
    await until("it is restored again", async () => await text(page, "state") === "restoring" && !await untouched(page));
  });

  await t.test("a task can be chosen", async () => {
    const forced = async () => (await (await fetch(`${camera.address}/api/status`)).json()).detected.forced;
    assert.equal(await pressed(page, "auto"), "true");
    await page.getByRole("button", { name: "derain" }).click();
    await until("the loop follows", forced);
    assert.deepEqual([await pressed(page, "auto"), await pressed(page, "derain")], ["false", "true"]);
    await page.getByRole("button", { name: "auto" }).click();
    await until("the loop follows", async () => !await forced());
  });

  await t.test("pictures are saved", async () => {
    for (const name of ["before", "after"]) {
      const [download] = await Promise.all([page.waitForEvent("download"), page.locator(`#save-${name}`).click()]);
      assert.match(download.suggestedFilename(), new RegExp(`^vlunet-.*-${name}\\.jpg$`));
      const bytes = await readFile(await download.path());
      assert.deepEqual([...bytes.subarray(0, 2), ...bytes.subarray(-2)], [0xff, 0xd8, 0xff, 0xd9]);
    }
  });

  await t.test("it fits a phone and follows a finger", async t => {
    const { page, complaints } = await visit(t, camera.address, phone);
    await flowing(page);
    await until("a state is told", async () => (await text(page, "label")) !== "–");
    assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "it scrolls sideways");
    const box = await page.locator("#stage").boundingBox();
    await page.touchscreen.tap(box.x + 0.75 * box.width, box.y + 20);
    assert.equal(await split(page), "75");
    await shot(page, "phone");
    assert.deepEqual(complaints, []);
  });

  await shot(page, "desktop");
  assert.deepEqual(complaints, []);

  await t.test("it says when the camera is gone", async () => {
    await camera.stop();
    await until("the page says so", async () => await text(page, "state") === "connection lost"
      && /no new picture/.test(await text(page, "notice")));
  });
});

test("at night: the label is that of the weather", async t => {
  const camera = await filmed(t, "night");
  const { page } = await visit(t, camera.address);
  await until("low light is seen", async () => /low light/.test(await text(page, "label")));
});

test("with a token: the page asks for it, and keeps it out of the address", async t => {
  const camera = await filmed(t, "clear", "a-token-for-this-test");
  const { page } = await visit(t, camera.address);
  const dialog = page.getByRole("dialog"), field = page.getByRole("textbox", { name: "Token" });
  await dialog.waitFor();
  await page.keyboard.press("Escape");
  await field.fill("some-other-token");
  await page.keyboard.press("Enter");
  await page.getByText("That is not it.").waitFor();
  await field.fill("a-token-for-this-test");
  await page.keyboard.press("Enter");
  await flowing(page);
  assert(!await dialog.isVisible());

  const link = await visit(t, `${camera.address}/#token=a-token-for-this-test`);
  await flowing(link.page);
  assert.equal(link.page.url(), `${camera.address}/`);
  assert.deepEqual(link.complaints, []);
  await link.page.reload();
  await flowing(link.page);
});
