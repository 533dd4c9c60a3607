/** From scores to answers: the decision, and what a caller gets to read. */

import { RowError } from "./values.js";

const TOO_LARGE = { field: "", got: "a row whose score is not finite", allowed: "numbers of a size the model can compute with" };

/** The answer of a model with these tables to a row, of its scores and, where the model has intervals, their ends; throws a RowError. */
export function answerOf({ task, classes, threshold, costs }, scores, ends) {
  if (![...scores, ...(ends ?? [])].every(Number.isFinite)) throw new RowError([TOO_LARGE]);
  if (task === "regression") return ends ? { prediction: scores[0], lower: ends[0], upper: ends[1] } : { prediction: scores[0] };
  if (task === "binary") return { prediction: classes[scores[1] >= threshold ? 1 : 0], probability: scores[1] };
  const judged = costs ? classes.map((_, i) => -costs.reduce((total, row, j) => total + scores[j] * row[i], 0)) : scores;
  let best = 0;
  for (let i = 1; i < classes.length; i++) if (judged[i] > judged[best]) best = i;
  return { prediction: classes[best], probabilities: Object.fromEntries(classes.map((name, i) => [name, scores[i]])) };
}
