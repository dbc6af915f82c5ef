/** How long things take, by the clocks of browsers, which tick every 0.1 ms or less often. */

const LEAST_MS = 2; // of a measurement: 20 ticks
const ROUNDS = 20;
const AT_MOST_MS = 1000;
const LEAST_ROUNDS = 3;

/**
 * Times each call in turn, so that a drift of the device meets all of them.
 *
 * @param {(() => Promise<unknown>)[]} calls Each has run before and is warm.
 * @returns {Promise<number[]>} The median of each in milliseconds.
 */
export async function medianMilliseconds(calls) {
  const begin = performance.now();
  const times = calls.map(() => /** @type {number[]} */ ([]));
  for (let round = 0; round < ROUNDS; round++) {
    if (round >= LEAST_ROUNDS && performance.now() - begin > AT_MOST_MS) break;
    for (const [i, call] of calls.entries()) times[i].push(await milliseconds(call));
  }
  return times.map(median);
}

/** The time of one call, as the mean of as many as the clock can tell. */
async function milliseconds(call) {
  await call(); // what ran before decides what is in the caches: that shall be the same for all
  for (let count = 1; ; count *= 2) {
    const start = performance.now();
    for (let i = 0; i < count; i++) await call();
    const taken = performance.now() - start;
    if (taken >= LEAST_MS) return taken / count;
  }
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}
