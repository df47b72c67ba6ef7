// The program under test, and a browser that looks at its page.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createServer } from "node:net";

const { chromium } = createRequire(process.env.MODULES)("playwright-core");

export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM,
  // Containers that run tests as root have no sandbox to offer.
  args: process.getuid() === 0 ? ["--no-sandbox"] : [],
});

export async function until(what, condition, seconds = 60) {
  const end = Date.now() + 1000 * seconds;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert(Date.now() < end, `waited ${seconds} s until ${what}`);
    await new Promise(done => setTimeout(done, 200));
  }
}

function freePort() {
  return new Promise(done => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

// Starts the program on a synthetic road; `stop` ends it and what it started.
export async function film(weather, token = "") {
  const address = `http://127.0.0.1:${await freePort()}`;
  const [command, ...first] = process.env.CAMERA.split(" ");
  const source = `synthetic:road?weather=${weather}&size=320x180&fps=10`;
  const sink = address + (token && `?token=${token}`);
  const camera = spawn(command, [...first, "--source", source, "--sink", sink], {
    detached: true, stdio: ["ignore", "inherit", "inherit"],
  });
  const ended = new Promise(done => camera.once("exit", done));
  const stop = async () => {
    if (camera.exitCode === null && camera.signalCode === null) process.kill(-camera.pid, "SIGTERM");
    await ended;
  };
  try {
    await until("frames flow", async () => {
      assert.equal(camera.exitCode, null, "the program has ended");
      return (await fetch(`${address}/healthz`).catch(() => ({}))).ok;
    }, 120);
  } catch (error) {
    await stop();
    throw error;
  }
  return { address, stop };
}
