/** A whole model: raw rows in, answers out. */

import { answerOf } from "./answers.js";
import { steps } from "./nodes.js";
import { Decoder, RowError } from "./values.js";

/** The types that arrays are written in, by their short names. */
const ARRAYS = { f8: Float64Array, i4: Int32Array, i2: Int16Array, u2: Uint16Array, i1: Int8Array, u1: Uint8Array };

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
