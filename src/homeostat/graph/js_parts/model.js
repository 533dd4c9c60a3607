/** A whole model: raw rows in, answers out. */

import { steps } from "./nodes.js";
import { Decoder, RowError } from "./values.js";

const ARRAYS = { f8: Float64Array, i4: Int32Array, i2: Int16Array, u2: Uint16Array, i1: Int8Array, u1: Uint8Array };
const TOO_LARGE = { field: "", got: "a row whose score is not finite", allowed: "numbers of a size the model can compute with" };

/** Tables as they are written, with each array that stands as base64 made one. */
function unpacked(value) {
  if (Array.isArray(value)) return value.map(unpacked);
  if (value === null || typeof value !== "object") return value;
  if ("base64" in value) {
    const bytes = Uint8Array.from(atob(value.base64), (character) => character.charCodeAt(0));
    return new ARRAYS[value.type](bytes.buffer);
  }
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, unpacked(inner)]));
}

/** What is told of a row: the answer that callers read, from scores and, where the model has intervals, their ends. */
export function answerOf({ task, classes, threshold, costs }, scores, ends) {
  if (task === "regression") return ends ? { prediction: scores[0], lower: ends[0], upper: ends[1] } : { prediction: scores[0] };
  if (task === "binary") return { prediction: classes[scores[1] >= threshold ? 1 : 0], probability: scores[1] };
  const judged = costs ? classes.map((_, i) => -costs.reduce((total, row, j) => total + scores[j] * row[i], 0)) : scores;
  let best = 0;
  for (let i = 1; i < classes.length; i++) if (judged[i] > judged[best]) best = i;
  return { prediction: classes[best], probabilities: Object.fromEntries(classes.map((name, i) => [name, scores[i]])) };
}

/** Whether every number is finite; a row of which it is not is refused with `tooLarge`. */
export function finite(...arrays) {
  return arrays.every((array) => array.every(Number.isFinite));
}

export function tooLarge() {
  return new RowError([TOO_LARGE]);
}

export class Model {
  constructor(tables) {
    this.about = tables;
    this.decoder = new Decoder(tables);
    this.blocks = this.decoder.blocks();
    const { nodes, out, interval } = tables;
    this.run = steps(unpacked([...nodes, ...(interval?.nodes ?? [])]), this.blocks);
    this.scores = this.blocks[out];
    this.ends = interval ? this.blocks[interval.out] : undefined;
  }

  /** The answer to one row of named fields; throws a RowError that says which fields are wrong. */
  predict(row) {
    this.decoder.read(row, this.blocks);
    this.run();
    if (!finite(this.scores, this.ends ?? [])) throw tooLarge();
    return answerOf(this.about, this.scores, this.ends);
  }

  /** One answer for each row; a bad row has {problems} in its place and does not disturb the others. */
  predictAll(rows) {
    return rows.map((row) => {
      try {
        return this.predict(row);
      } catch (error) {
        if (error instanceof RowError) return { problems: error.problems };
        throw error;
      }
    });
  }
}
