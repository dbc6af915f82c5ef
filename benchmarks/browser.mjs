// The time of each level of a bundle, in Node and in a browser: see browser.py.

import { millisecondsInTurn } from "../js/src/dispatch/milliseconds.js";

const LONG = { rounds: 200, atMostMs: 3000 };

const tenth = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 10)];

/** Milliseconds of a call of each level, on zeros, of which a tenth are faster; and of the first. */
export async function times(dispatcher) {
  const [{ shape }] = dispatcher.inputs;
  const x = new Float32Array(shape.reduce((size, axis) => size * axis, 1));
  const calls = dispatcher.levels.map(({ utilization }) => () => dispatcher.run(x, { utilization }));
  const first = [];
  for (const call of calls) first.push((await call()).milliseconds);
  return { first, warm: (await millisecondsInTurn(calls, LONG)).map(tenth) };
}

if (globalThis.process?.argv[2] !== undefined) {
  const { openFolder } = await import("../js/src/node/index.js");
  console.log(JSON.stringify(await times(await openFolder(process.argv[2]))));
}
