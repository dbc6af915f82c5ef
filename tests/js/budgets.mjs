// What a LatencyBudget chooses from the levels of a trace, for each budget.

import { readFileSync } from "node:fs";

const [, , source, file, ...budgets] = process.argv;
const { LatencyBudget } = await import(new URL("policies/latency_budget.js", source));
const { levels } = JSON.parse(readFileSync(file, "utf-8"));
console.log(JSON.stringify(budgets.map((one) => new LatencyBudget(Number(one)).choose(levels))));
