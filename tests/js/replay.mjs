// Leads a LatencyTarget through a recorded trace, and prints what it chose and why.

import { readFileSync } from "node:fs";

const [, , source, file] = process.argv;
const { LatencyTarget } = await import(new URL("policies/latency_target.js", source));
const { target, window, levels, calls } = JSON.parse(readFileSync(file, "utf-8"));

let now = 0;
const policy = new LatencyTarget(target, {
  dwellSeconds: window,
  windowSeconds: window,
  clock: () => now,
});
const chosen = calls.map(([start, utilization, milliseconds]) => {
  now = start;
  const choice = policy.choose(levels);
  now = start + milliseconds / 1000;
  const level = levels.find((one) => one.utilization === utilization);
  const expectedMilliseconds = level.milliseconds;
  policy.observe({ isWarm: true, expectedMilliseconds, milliseconds });
  return choice;
});
console.log(JSON.stringify(chosen));
