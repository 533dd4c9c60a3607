/** Starts the page of one file: the model and its proof stand in it, compressed. */

import { Model } from "./model.js";
import { start } from "./page.js";

async function packed(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
}

const { about, fields, tables, proof } = await packed("model");
const model = new Model(tables);
const inputs = tables.inputs.map((each, place) => ({ ...fields[place], ...each }));
start({ about, inputs, proof, predictAll: async (rows) => model.predictAll(rows) });
