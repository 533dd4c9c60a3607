/** The model as functions that run its graph in onnxruntime-web: `await predict(row)`, `await predictAll(rows)`. */

import * as ort from "onnxruntime-web";

import { answerOf } from "./answers.js";
import tables from "./tables.js";
import { Decoder, RowError } from "./values.js";

export { RowError } from "./values.js";

const AT_ONCE = 1024;
const decoder = new Decoder(tables);
let session; // a promise, so that the graph is loaded once and only when it is asked

async function graph() {
  const address = new URL("model.onnx", import.meta.url);
  if (address.protocol !== "file:") return new Uint8Array(await (await fetch(address)).arrayBuffer());
  const { readFile } = await import("node:fs/promises");
  return new Uint8Array(await readFile(address));
}

function load() {
  ort.env.wasm.numThreads = 1;
  session ??= graph().then((bytes) => ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] }));
  return session;
}

/** One answer for each row; a bad row has {problems} in its place and does not disturb the others. */
export async function predictAll(rows) {
  const ready = await load();
  const answers = [];
  for (let start = 0; start < rows.length; start += AT_ONCE) {
    answers.push(...(await answered(ready, rows.slice(start, start + AT_ONCE))));
  }
  return answers;
}

/** The answer to one row of named fields; throws a RowError that says which fields are wrong. */
export async function predict(row) {
  const [answer] = await predictAll([row]);
  if (answer.problems) throw new RowError(answer.problems);
  return answer;
}

async function answered(ready, rows) {
  const answers = Array(rows.length);
  const blocks = decoder.blocks(rows.length);
  const good = [];
  rows.forEach((row, at) => attempt(answers, at, () => void (decoder.read(row, blocks, good.length), good.push(at))));
  if (good.length === 0) return answers;
  const found = await ready.run(feeds(blocks, good.length, ready.inputNames));
  const width = found.score.dims[1];
  good.forEach((at, row) => {
    const scores = found.score.data.slice(row * width, (row + 1) * width);
    const ends = found.lower && [found.lower.data[row], found.upper.data[row]];
    attempt(answers, at, () => answerOf(tables, scores, ends));
  });
  return answers;
}

function attempt(answers, at, make) {
  try {
    answers[at] = make();
  } catch (error) {
    if (!(error instanceof RowError)) throw error;
    answers[at] = { problems: error.problems };
  }
}

function feeds(blocks, rows, names) {
  const { numbers, codes, terms } = decoder.widths;
  const tensors = {
    numbers: () => new ort.Tensor("float64", blocks.numbers.slice(0, rows * numbers), [rows, numbers]),
    codes: () => new ort.Tensor("int64", BigInt64Array.from(blocks.codes.subarray(0, rows * codes), BigInt), [rows, codes]),
    terms: () => new ort.Tensor("float64", blocks.terms.slice(0, rows * terms), [rows, terms]),
  };
  return Object.fromEntries(names.map((name) => [name, tensors[name]()]));
}
