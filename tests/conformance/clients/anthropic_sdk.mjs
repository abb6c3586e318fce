// Anthropic's SDK for Node.js.

import Anthropic from "@anthropic-ai/sdk";
import { ASKS_FOR_TOOL, CITY, HELLO, main } from "./driver.mjs";

const MESSAGES = [{ role: "user", content: HELLO }];

const client = ({ url, key }) => new Anthropic({ baseURL: url, apiKey: key });

async function models(target) {
  const names = [];
  for await (const model of client(target).models.list()) names.push(model.id);
  return names;
}

async function retrieve(target) {
  return (await client(target).models.retrieve(target.model)).id;
}

async function chat(target) {
  const message = await client(target).messages.create({
    model: target.model,
    max_tokens: 99,
    messages: MESSAGES,
  });
  return message.content[0].text;
}

async function stream(target) {
  const events = client(target).messages.stream({
    model: target.model,
    max_tokens: 99,
    messages: MESSAGES,
  });
  return events.finalText();
}

async function tools(target) {
  const message = await client(target).messages.create({
    model: target.model,
    max_tokens: 99,
    messages: [{ role: "user", content: ASKS_FOR_TOOL }],
    tools: [{ name: "get_weather", input_schema: CITY }],
  });
  return message.content[0].input;
}

await main({ models, retrieve, chat, stream, tools });
