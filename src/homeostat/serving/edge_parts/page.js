/** The page: a form made from the inputs, a drop zone for files of rows, and the self-check. */

import { compare, proofRows, told } from "./check.js";
import { cellValue, csvText, linesText, rowsOf } from "./rows.js";
import { ALLOWED } from "./values.js";

const LISTED = 5; // refused rows of a file that are told
const at = (id) => document.getElementById(id);

function element(tag, content = {}, ...inner) {
  const made = Object.assign(document.createElement(tag), content);
  made.append(...inner);
  return made;
}

function hint({ kind, vocabulary, minimum, maximum, example, nullable }) {
  const known = kind === "category" ? vocabulary : [];
  const parts = [
    ALLOWED[kind],
    minimum !== null && minimum !== undefined ? `seen: ${minimum} to ${maximum}` : "",
    known.length ? `known: ${known.slice(0, 6).join(", ")}${known.length > 6 ? `, and ${known.length - 6} more` : ""}` : "",
    example !== null && example !== undefined && kind !== "category" ? `for example ${example}` : "",
    nullable ? "was null at times" : "",
  ];
  return parts.filter(Boolean).join("; ");
}

function control(field, id) {
  const value = field.example === null || field.example === undefined ? "" : String(field.example);
  if (field.kind === "boolean") {
    const made = element("select", { id });
    for (const [text, given] of [["null", ""], ["true", "true"], ["false", "false"]]) made.append(element("option", { value: given, textContent: text }));
    made.value = ["true", "1"].includes(value) ? "true" : value === "" ? "" : "false";
    return [made];
  }
  if (field.kind === "text") return [element("textarea", { id, rows: 3, value })];
  const made = element("input", { id, type: "text", value });
  if (field.kind === "number") made.inputMode = "decimal";
  if (field.kind !== "category") return [made];
  const known = element("datalist", { id: `${id}-known` });
  known.append(...field.vocabulary.map((text) => element("option", { value: text })));
  made.setAttribute("list", known.id);
  return [made, known];
}

function form(inputs) {
  const controls = new Map();
  inputs.forEach((field, place) => {
    const id = `field-${place}`;
    const [made, ...more] = control(field, id);
    made.setAttribute("aria-describedby", `${id}-hint`);
    controls.set(field.name, made);
    const label = element("label", { htmlFor: id, textContent: field.name });
    at("fields").append(element("div", {}, label, made, ...more, element("small", { id: `${id}-hint`, textContent: hint(field) })));
  });
  return controls;
}

function answerShown(answer, target) {
  const shown = [element("p", { className: "answer", textContent: `${target}: ${answer.prediction}` })];
  const rows = answer.probabilities ?? (answer.probability === undefined ? {} : { "probability of the positive class": answer.probability });
  for (const [name, value] of Object.entries(rows)) {
    shown.push(element("p", {}, `${name}: ${value.toFixed(4)} `, element("meter", { min: 0, max: 1, value, ariaLabel: name })));
  }
  if (answer.lower !== undefined) shown.push(element("p", { textContent: `between ${answer.lower} and ${answer.upper}` }));
  return shown;
}

function problemsShown(problems, controls) {
  return problems.map(({ field, got, allowed }) => {
    controls?.get(field)?.setAttribute("aria-invalid", "true");
    return element("p", { className: "bad", textContent: `${field || "row"}: got ${got}; allowed: ${allowed}` });
  });
}

function batchShown(name, rows, answers, inputs, seconds) {
  const refused = answers.flatMap((answer, row) => (answer.problems ? [[row, answer.problems[0]]] : []));
  const csv = !/\.(json|ndjson|jsonl)$/i.test(name);
  const content = csv ? csvText(rows, answers, inputs) : linesText(rows, answers);
  const link = element("a", {
    href: URL.createObjectURL(new Blob([content], { type: csv ? "text/csv" : "application/x-ndjson" })),
    download: `${name.replace(/\.[^.]*$/, "")}-scored.${csv ? "csv" : "ndjson"}`,
    textContent: "Download the rows with their answers",
  });
  const count = element("p", { textContent: `${rows.length} rows, ${refused.length} refused, ${seconds.toFixed(2)} s` });
  const list = refused.slice(0, LISTED).map(([row, { field, got, allowed }]) => `row ${row + 1}, ${field || "row"}: got ${got}; allowed: ${allowed}`);
  return [count, ...list.map((text) => element("p", { className: "bad", textContent: text })), element("p", {}, link)];
}

/** Bring the page to life. `about` says what the model is; `predictAll` answers rows of named fields, and so does `proof` tell them. */
export function start({ about, inputs, proof, predictAll }) {
  at("about").textContent = about.text;
  const controls = form(inputs);
  const say = (id, shown) => at(id).replaceChildren(...shown);
  const fail = (id, error) => say(id, [element("p", { className: "bad", textContent: String(error.message ?? error) })]);

  at("row").addEventListener("submit", async (event) => {
    event.preventDefault();
    for (const each of controls.values()) each.removeAttribute("aria-invalid");
    try {
      const row = Object.fromEntries(inputs.map((field) => [field.name, cellValue(field, controls.get(field.name).value)]));
      const [answer] = await predictAll([row]);
      say("answer", answer.problems ? problemsShown(answer.problems, controls) : answerShown(answer, about.target));
    } catch (error) {
      fail("answer", error);
    }
  });

  async function score(file) {
    if (!file) return;
    try {
      const rows = rowsOf(file.name, await file.text(), inputs);
      const started = performance.now();
      const answers = await predictAll(rows);
      say("batch", batchShown(file.name, rows, answers, inputs, (performance.now() - started) / 1000));
    } catch (error) {
      fail("batch", error);
    }
  }
  at("file").addEventListener("change", (event) => score(event.target.files[0]));
  for (const kind of ["dragover", "dragleave", "drop"]) {
    at("drop").addEventListener(kind, (event) => {
      event.preventDefault();
      at("drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop") score(event.dataTransfer.files[0]);
    });
  }

  async function check() {
    try {
      const found = compare(proof, await predictAll(proofRows(proof)));
      say("checked", [element("p", { className: found.passed ? "" : "bad", textContent: `${found.passed ? "passed" : "FAILED"}: ${told(found)}` })]);
    } catch (error) {
      fail("checked", error);
    }
  }
  at("check").addEventListener("click", check);
  if (location.hash === "#check") check();
}
