/** How long things take, by clocks that may tick every 0.1 ms only, as those of browsers do. */

const TICKS = 20; // of the clock, that a measurement takes at least
const ROUNDS = 20;
const AT_MOST_MS = 1000;
const LEAST_ROUNDS = 3;

/**
 * Times each call in turn, so that a drift of the device meets all of them.
 *
 * @param {(() => Promise<unknown>)[]} calls Each has run before and is warm.
 * @param {{ rounds?: number, atMostMs?: number }} [options]
 * @returns {Promise<number[][]>} For each call its times in milliseconds.
 */
export async function millisecondsInTurn(
  calls,
  { rounds = ROUNDS, atMostMs = AT_MOST_MS } = {},
) {
  const begin = performance.now();
  const least = TICKS * tick();
  const times = calls.map(() => /** @type {number[]} */ ([]));
  for (let round = 0; round < rounds; round++) {
    if (round >= LEAST_ROUNDS && performance.now() - begin > atMostMs) break;
    for (const [i, call] of calls.entries()) times[i].push(await milliseconds(call, least));
  }
  return times;
}

/** The time of one call, as the mean of as many as the clock can tell. */
async function milliseconds(call, least) {
  await call(); // what ran before decides what is in the caches: that shall be the same for all
  for (let count = 1; ; count *= 2) {
    const start = performance.now();
    for (let i = 0; i < count; i++) await call();
    const taken = performance.now() - start;
    if (taken >= least) return taken / count;
  }
}

/** The least time between two readings of the clock that differ. */
function tick() {
  const steps = Array.from({ length: 5 }, () => {
    const start = performance.now();
    let now = start;
    while (now === start) now = performance.now();
    return now - start;
  });
  return Math.min(...steps);
}

/**
 * @param {number[]} values
 * @returns {number}
 */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}
