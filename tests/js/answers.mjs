// Opens bundles and answers questions about them: JSON from standard input, JSON to standard output.

import { readFileSync } from "node:fs";

const [, , packageUrl] = process.argv;
const { Escalate, LatencyTarget, openFolder } = await import(packageUrl);
const ARRAYS = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array };

function decoded({ dtype, data, width, height }) {
  const array = ARRAYS[dtype].from(data);
  return width === undefined ? array : { data: array, width, height };
}

function policyOf({ target, thresholds, options }) {
  if (thresholds !== undefined) return new Escalate(thresholds, options);
  return target === undefined ? null : new LatencyTarget(target);
}

async function answer(dispatcher, { x, utilization, budgetMs, inputs }) {
  const given = inputs
    ? Object.fromEntries(Object.entries(inputs).map(([name, one]) => [name, decoded(one)]))
    : decoded(x);
  const result = await dispatcher.run(given, { utilization, budgetMs });
  const outputs = Object.entries(result.outputs).map(([name, array]) => [
    name,
    { dtype: array.constructor.name, data: Array.from(array) },
  ]);
  const { reason, macs, isWarm } = result;
  return { outputs: Object.fromEntries(outputs), utilization: result.utilization, reason, macs, isWarm };
}

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
}

async function opened({ bundle, calls, warmUp, ...question }) {
  const dispatcher = await openFolder(bundle, { policy: policyOf(question) });
  if (warmUp) await dispatcher.warmUp();
  const { labels, levels } = dispatcher;
  const answers = [];
  for (const call of calls ?? []) answers.push(await attempt(() => answer(dispatcher, call)));
  await dispatcher.close();
  return { labels, levels: levels.map((level) => level.utilization), answers };
}

const found = [];
for (const question of JSON.parse(readFileSync(0, "utf-8"))) {
  found.push(await attempt(() => opened(question)));
}
console.log(JSON.stringify(found));
