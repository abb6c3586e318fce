// OpenAI's SDK for Node.js.

import OpenAI from "openai";
import { ASKS_FOR_TOOL, CITY, HELLO, main } from "./driver.mjs";

const MESSAGES = [{ role: "user", content: HELLO }];
const TOOL = { type: "function", function: { name: "get_weather", parameters: CITY } };

const client = ({ url, key }) => new OpenAI({ baseURL: url, apiKey: key });

async function models(target) {
  const names = [];
  for await (const model of client(target).models.list()) names.push(model.id);
  return names;
}

async function retrieve(target) {
  return (await client(target).models.retrieve(target.model)).id;
}

async function chat(target) {
  const response = await client(target).chat.completions.create({
    model: target.model,
    messages: MESSAGES,
  });
  return response.choices[0].message.content;
}

async function stream(target) {
  const chunks = await client(target).chat.completions.create({
    model: target.model,
    messages: MESSAGES,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  for await (const part of chunks) text += part.choices[0]?.delta.content ?? "";
  return text;
}

async function tools(target) {
  const response = await client(target).chat.completions.create({
    model: target.model,
    messages: [{ role: "user", content: ASKS_FOR_TOOL }],
    tools: [TOOL],
  });
  return JSON.parse(response.choices[0].message.tool_calls[0].function.arguments);
}

async function embeddings(target) {
  const response = await client(target).embeddings.create({ model: target.model, input: HELLO });
  return response.data[0].embedding;
}

await main({ models, retrieve, chat, stream, tools, embeddings });
