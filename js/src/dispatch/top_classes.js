/**
 * Returns the `k` classes with the highest scores, the highest first, of equal ones the first.
 *
 * @param {ArrayLike<number>} scores
 * @param {number} [k] How many; all if there are fewer.
 * @param {string[]} [labels] A name for each class.
 * @returns {{ index: number, score: number, label: string | null }[]}
 */
export function topClasses(scores, k = 5, labels = undefined) {
  return Array.from(scores, (score, index) => ({ index, score, label: labels?.[index] ?? null }))
    .sort((a, b) => b.score - a.score)
    .slice(0, k);
}
