// The “Try it” panel: calls the endpoint through the gateway, with a token that is valid for a few
// minutes.

import { element } from "./dom.js";

const form = document.querySelector("[data-try]");
const output = form.querySelector("output");
const status = form.querySelector("[role=status]");
const stop = form.querySelector("[data-stop]");
let token = "";
let abort = null;

form.hidden = false;
stop.addEventListener("click", () => abort?.abort());

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  abort?.abort();
  abort = new AbortController();
  output.textContent = "";
  output.hidden = true;
  stop.hidden = false;
  status.textContent = "Waiting for the response…";
  const started = performance.now();
  try {
    const response = await call(form.querySelector("textarea").value, abort.signal);
    const first = Math.round(performance.now() - started);
    const failed = await show(response);
    const total = Math.round(performance.now() - started);
    const route = routeOf(response);
    const facts = failed
      ? [`status ${response.status}`, ...route]
      : [...route, `first byte ${first} ms`, `total ${total} ms`];
    status.replaceChildren(...facts.flatMap(chip));
  } catch (error) {
    status.textContent = error.name === "AbortError" ? "Stopped." : `Failed: ${error.message}`;
  }
  stop.hidden = true;
});

async function call(prompt, signal, again = true) {
  token ||= await issueToken();
  const { dialect, endpoint } = form.dataset;
  const messages = [{ role: "user", content: prompt }];
  const parts = [{ text: prompt }];
  const embeddings = {
    openai: ["v1/embeddings", { model: endpoint, input: prompt }],
    google: [`gemini/v1beta/models/${endpoint}:embedContent`, { content: { parts } }],
  };
  const chats = {
    openai: ["v1/chat/completions", { model: endpoint, messages, stream: true }],
    anthropic: [
      "anthropic/v1/messages",
      { model: endpoint, max_tokens: 1024, messages, stream: true },
    ],
    google: [
      `gemini/v1beta/models/${endpoint}:streamGenerateContent?alt=sse`,
      { contents: [{ role: "user", parts }] },
    ],
  };
  const [path, body] = ("embeds" in form.dataset ? embeddings : chats)[dialect];
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const options = {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    signal,
    credentials: "omit",
  };
  const response = await fetch(`/gateway/${path}`, options);
  if (response.status === 401 && again) {
    token = "";
    return call(prompt, signal, false);
  }
  return response;
}

// The key, model and title of the route that served the request. The header is, for example,
// “8; key=ours; model=gpt-5-mini”.
function routeOf(response) {
  const [number, ...pairs] = (response.headers.get("x-gatehouse-route") ?? "").split("; ");
  const decoded = pairs.map((pair) => pair.split("=").map(decodeURIComponent));
  const { key, model } = Object.fromEntries(decoded);
  const title = JSON.parse(form.dataset.routes)[number]?.toLowerCase();
  return [key, model, title].filter(Boolean);
}

function chip(text) {
  return [element("bdi", { className: "badge", textContent: text }), " "];
}

async function issueToken() {
  const response = await fetch(form.dataset.try, {
    method: "POST",
    headers: { "X-CSRFToken": form.querySelector("[name=csrfmiddlewaretoken]").value },
  });
  if (!response.ok || response.redirected) throw new Error("sign in again and reload this page.");
  return (await response.json()).token;
}

// Writes the response while it arrives. Returns whether it is an error.
async function show(response) {
  output.hidden = false;
  if (!response.ok) {
    output.textContent = (await response.json()).error?.message ?? response.statusText;
    return true;
  }
  if ("embeds" in form.dataset) {
    const body = await response.json();
    const vector = body.data?.[0]?.embedding ?? body.embedding?.values ?? [];
    const start = vector.slice(0, 5).map((number) => Number(number).toFixed(4));
    output.textContent = `${vector.length} numbers: ${start.join(", ")}${vector.length > 5 ? ", …" : ""}`;
    return false;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let failed = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return failed;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines.filter((line) => line.startsWith("data:"))) {
      const text = line.slice(5).trim();
      if (text === "[DONE]") continue;
      const part = JSON.parse(text);
      failed ||= Boolean(part.error);
      output.textContent += textOf(part);
    }
  }
}

function textOf(part) {
  if (part.error) return `\n${part.error.message}`;
  const googleText = part.candidates?.[0]?.content?.parts?.map((each) => each.text ?? "").join("");
  return part.choices?.[0]?.delta?.content ?? part.delta?.text ?? googleText ?? "";
}
