// Vercel's AI SDK with Google's API.

import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { embed, generateText, jsonSchema, streamText, tool } from "ai";
import { ASKS_FOR_TOOL, CITY, HELLO, main } from "./driver.mjs";

const get_weather = tool({ description: "Get the weather.", inputSchema: jsonSchema(CITY) });

const provider = ({ url, key }) => createGoogleGenerativeAI({ baseURL: url, apiKey: key });
const model = (target) => provider(target)(target.model);

async function chat(target) {
  return (await generateText({ model: model(target), prompt: HELLO })).text;
}

async function stream(target) {
  let text = "";
  for await (const part of streamText({ model: model(target), prompt: HELLO }).fullStream) {
    if (part.type === "error") throw part.error; // which the stream of texts leaves out
    if (part.type === "text-delta") text += part.text;
  }
  return text;
}

async function tools(target) {
  const result = await generateText({
    model: model(target),
    prompt: ASKS_FOR_TOOL,
    tools: { get_weather },
  });
  return result.toolCalls[0].input;
}

async function embeddings(target) {
  const model = provider(target).embeddingModel(target.model);
  return (await embed({ model, value: HELLO })).embedding;
}

await main({ chat, stream, tools, embeddings });
