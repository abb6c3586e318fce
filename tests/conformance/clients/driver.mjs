// Runs one function of a client's script at each target, as driver.py does.

export const HELLO = "Is anybody there?";
export const ASKS_FOR_TOOL = "Use the tool. ¿Sí? 🙂";
export const CITY = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
};

export async function main(features) {
  let input = "";
  for await (const part of process.stdin) input += part;
  for (const target of JSON.parse(input)) {
    const started = performance.now();
    let outcome;
    try {
      outcome = { result: await features[process.argv[2]](target) };
    } catch (error) {
      outcome = { error: `${error.constructor.name}: ${error.message}` };
    }
    outcome.seconds = (performance.now() - started) / 1000;
    console.log(JSON.stringify(outcome));
  }
}
