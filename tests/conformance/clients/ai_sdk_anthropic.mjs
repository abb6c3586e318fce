// Vercel's AI SDK with Anthropic's API.

import { createAnthropic } from "@ai-sdk/anthropic";
import { generateText, jsonSchema, streamText, tool } from "ai";
import { ASKS_FOR_TOOL, CITY, HELLO, main } from "./driver.mjs";

const get_weather = tool({ description: "Get the weather.", inputSchema: jsonSchema(CITY) });

const model = (target) => createAnthropic({ baseURL: target.url, apiKey: target.key })(target.model);

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

await main({ chat, stream, tools });
