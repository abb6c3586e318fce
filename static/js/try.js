// The “Try it” panel: calls the endpoint through the gateway, with a token for a few minutes.

const form = document.querySelector("[data-try]");
const answer = form.querySelector("output");
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
  answer.textContent = "";
  answer.hidden = true;
  stop.hidden = false;
  status.textContent = "Waiting for the first word…";
  const started = performance.now();
  try {
    const response = await call(form.querySelector("textarea").value, abort.signal);
    const first = Math.round(performance.now() - started);
    const failed = await show(response);
    const total = Math.round(performance.now() - started);
    const route = decodeURIComponent(response.headers.get("x-gatehouse-route") ?? "");
    status.textContent = failed
      ? `The gateway answered ${response.status}.`
      : `First byte after ${first} ms, whole after ${total} ms, through route ${route}.`;
  } catch (error) {
    status.textContent = error.name === "AbortError" ? "Stopped." : `It did not work: ${error.message}`;
  }
  stop.hidden = true;
});

async function call(prompt, signal, again = true) {
  token ||= await issueToken();
  const { dialect, endpoint } = form.dataset;
  const messages = [{ role: "user", content: prompt }];
  const [path, body] = {
    openai: ["v1/chat/completions", { model: endpoint, messages, stream: true }],
    anthropic: ["anthropic/v1/messages", { model: endpoint, max_tokens: 1024, messages, stream: true }],
    google: [
      `gemini/v1beta/models/${endpoint}:streamGenerateContent?alt=sse`,
      { contents: [{ role: "user", parts: [{ text: prompt }] }] },
    ],
  }[dialect];
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const options = { method: "POST", headers, body: JSON.stringify(body), signal, credentials: "omit" };
  const response = await fetch(`/gateway/${path}`, options);
  if (response.status === 401 && again) {
    token = "";
    return call(prompt, signal, false);
  }
  return response;
}

async function issueToken() {
  const response = await fetch(form.dataset.try, {
    method: "POST",
    headers: { "X-CSRFToken": form.querySelector("[name=csrfmiddlewaretoken]").value },
  });
  if (!response.ok || response.redirected) throw new Error("sign in again and reload this page.");
  return (await response.json()).token;
}

// Write the answer as it comes; return whether it is an error.
async function show(response) {
  answer.hidden = false;
  if (!response.ok) {
    answer.textContent = (await response.json()).error?.message ?? response.statusText;
    return true;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let kept = "";
  let failed = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return failed;
    const lines = (kept + value).split("\n");
    kept = lines.pop();
    for (const line of lines.filter((line) => line.startsWith("data:"))) {
      const text = line.slice(5).trim();
      if (text === "[DONE]") continue;
      const part = JSON.parse(text);
      failed ||= Boolean(part.error);
      answer.textContent += textOf(part);
    }
  }
}

function textOf(part) {
  if (part.error) return `\n${part.error.message}`;
  const google = part.candidates?.[0]?.content?.parts?.map((each) => each.text ?? "").join("");
  return part.choices?.[0]?.delta?.content ?? part.delta?.text ?? google ?? "";
}
