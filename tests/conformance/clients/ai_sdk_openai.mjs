// Vercel's AI SDK with OpenAI's API.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, generateText, jsonSchema, streamText, tool } from "ai";
import { ASKS_FOR_TOOL, CITY, HELLO, main } from "./driver.mjs";

const get_weather = tool({ description: "Get the weather.", inputSchema: jsonSchema(CITY) });

const provider = ({ url, key }) =>
  createOpenAICompatible({ name: "gatehouse", baseURL: url, apiKey: key });
const model = (target) => provider(target).chatModel(target.model);

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
