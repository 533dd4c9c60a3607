/** Checks that the model in this folder answers as it did where it was made. Run: `node check.mjs`. */

import { readFileSync } from "node:fs";

import { compare, proofRows, told } from "./check.js";
import { predictAll } from "./index.js";

const proof = JSON.parse(readFileSync(new URL("parity.json", import.meta.url), "utf8"));
const found = compare(proof, await predictAll(proofRows(proof)));
console.log(told(found));
process.exit(found.passed ? 0 : 1);
