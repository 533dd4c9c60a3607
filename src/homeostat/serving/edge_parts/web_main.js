/** Starts the page of this folder: the graph runs in onnxruntime-web. */

import about from "./about.js";
import { predictAll } from "./index.js";
import { start } from "./page.js";
import tables from "./tables.js";

const proof = await (await fetch("parity.json")).json();
const inputs = tables.inputs.map((each, place) => ({ ...about.fields[place], ...each }));
start({ about, inputs, proof, predictAll });
