// Google's Gen AI SDK for Node.js.

import { GoogleGenAI } from "@google/genai";
import { ASKS_FOR_TOOL, CITY, HELLO, main } from "./driver.mjs";

const TOOLS = [{ functionDeclarations: [{ name: "get_weather", parametersJsonSchema: CITY }] }];

const client = ({ url, key }) =>
  new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } });

async function models(target) {
  const names = [];
  for await (const model of await client(target).models.list()) names.push(model.name);
  return names;
}

async function retrieve(target) {
  return (await client(target).models.get({ model: target.model })).name;
}

async function chat(target) {
  const response = await client(target).models.generateContent({
    model: target.model,
    contents: HELLO,
  });
  return response.text;
}

async function stream(target) {
  const parts = await client(target).models.generateContentStream({
    model: target.model,
    contents: HELLO,
  });
  let text = "";
  for await (const part of parts) text += part.text ?? "";
  return text;
}

async function tools(target) {
  const response = await client(target).models.generateContent({
    model: target.model,
    contents: ASKS_FOR_TOOL,
    config: { tools: TOOLS },
  });
  return response.functionCalls[0].args;
}

async function embeddings(target) {
  const response = await client(target).models.embedContent({
    model: target.model,
    contents: HELLO,
  });
  return response.embeddings[0].values;
}

await main({ models, retrieve, chat, stream, tools, embeddings });
