"use strict";
const element = id => document.getElementById(id);
const pause = ms => new Promise(done => setTimeout(done, ms));

// The token: out of the address at once, then in this tab alone.
const token = {
  key: "vlunet-token",
  get: () => sessionStorage.getItem(token.key) || "",
  set: value => sessionStorage.setItem(token.key, value),
  fromAddress() {
    const given = new URLSearchParams(location.hash.slice(1)).get("token")
      || new URLSearchParams(location.search).get("token");
    if (!given) return;
    token.set(given);
    history.replaceState(null, "", location.pathname);
  },
  // Asks for it, once for all that wait.
  ask() {
    return token.asking ||= new Promise(done => {
      element("ask-wrong").hidden = !token.get();
      element("ask").showModal();
      element("ask").querySelector("form").onsubmit = event => {
        event.preventDefault();
        token.set(element("token").value.trim());
        element("token").value = "";
        element("ask").close();
        token.asking = null;
        done();
      };
    });
  },
};
// Without it there is no picture: the dialog stays.
element("ask").addEventListener("cancel", event => event.preventDefault());

// An answer of the server that is all right; asks for the token where that lacks.
async function ask(path, options = {}) {
  for (;;) {
    const used = token.get();
    const headers = { ...options.headers, ...(used && { Authorization: `Bearer ${used}` }) };
    const answer = await fetch(path, { ...options, headers });
    if (answer.status !== 401) {
      if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
      return answer;
    }
    // Somebody may have given it meanwhile.
    if (used === token.get()) await token.ask();
  }
}

// The parts of a multipart answer: [headers, bytes], one after the other.
async function* parts(answer) {
  const reader = answer.body.getReader();
  let bytes = new Uint8Array(1 << 18), length = 0;
  const read = async () => {
    const { done, value } = await reader.read();
    if (done) throw new Error("the stream has ended");
    if (length + value.length > bytes.length) {
      const larger = new Uint8Array(2 * (length + value.length));
      larger.set(bytes.subarray(0, length));
      bytes = larger;
    }
    bytes.set(value, length);
    length += value.length;
  };
  const drop = count => { bytes.copyWithin(0, count, length); length -= count; };
  try {
    for (;;) {
      let end;
      while ((end = endOfHead(bytes, length)) < 0) {
        if (length > 4096) throw new Error("the stream is no multipart");
        await read();
      }
      const head = new Headers();
      for (const line of new TextDecoder().decode(bytes.subarray(0, end)).split("\r\n")) {
        const colon = line.indexOf(":");
        if (colon > 0) head.set(line.slice(0, colon), line.slice(colon + 1).trim());
      }
      drop(end);
      const size = Number(head.get("Content-Length"));
      while (length < size) await read();
      yield [head, bytes.slice(0, size)];
      drop(size);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function endOfHead(bytes, length) {
  for (let i = 0; i + 3 < length; i++) {
    if (bytes[i] === 13 && bytes[i + 1] === 10 && bytes[i + 2] === 13 && bytes[i + 3] === 10) return i + 4;
  }
  return -1;
}
