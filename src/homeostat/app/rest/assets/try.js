
"use strict";
const facts = JSON.parse(document.getElementById("facts").textContent);
const byId = (id) => document.getElementById(id);
const fields = new Map();

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "list") element[name] = value; else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function control(field, id) {
  if (field.kind === "boolean") return make("select", { id }, make("option", {}, "true"), make("option", {}, "false"));
  if (field.kind === "text") return make("textarea", { id, rows: 2 });
  return make("input", { id, type: "text", autocomplete: "off", spellcheck: false, ...(field.kind === "number" ? { inputMode: "decimal" } : {}) });
}

function note(field) {
  if (field.kind === "number") return field.minimum === null ? "number" : `number, ${field.minimum} to ${field.maximum} when the model was made`;
  if (field.kind === "timestamp") return "ISO 8601 date or time, or seconds since 1970";
  if (field.kind === "category") return field.more ? `one of ${field.vocabulary.length + field.more} known values, or any other` : "known values are suggested, others are taken";
  return field.kind;
}

function addField(field, place) {
  const id = `field-${place}`, input = control(field, id);
  const nothing = make("button", { type: "button", "aria-pressed": "false", "aria-label": `${field.name}: null, no value` }, "null");
  const about = make("div", { id: `${id}-note`, className: "note" }, note(field));
  const entry = { field, input, nothing, about };
  input.setAttribute("aria-describedby", about.id);
  nothing.addEventListener("click", () => { setNull(entry, nothing.getAttribute("aria-pressed") === "false"); showCurl(); });
  input.addEventListener("input", showCurl);
  const row = make("div", { className: "field" }, make("label", { htmlFor: id }, field.name), input, nothing, about);
  if (field.kind === "category") {
    input.setAttribute("list", `${id}-known`);
    row.append(make("datalist", { id: `${id}-known` }, ...field.vocabulary.map((value) => make("option", { value }))));
  }
  byId("fields").append(row);
  fields.set(field.name, entry);
}

function setNull(entry, on) {
  entry.nothing.setAttribute("aria-pressed", String(on));
  entry.input.disabled = on;
}

function setExample() {
  for (const entry of fields.values()) {
    const example = entry.field.example;
    setNull(entry, example === null);
    if (example !== null) entry.input.value = entry.field.kind === "boolean" ? String(example === true || example === 1 || example === "true") : String(example);
  }
  showCurl();
}

function valueOf({ field, input, nothing }) {
  if (nothing.getAttribute("aria-pressed") === "true") return null;
  if (field.kind === "boolean") return input.value === "true";
  const text = input.value, number = Number(text);
  const numeric = field.kind === "number" || field.kind === "timestamp";
  return numeric && text.trim() !== "" && Number.isFinite(number) ? number : text;
}

const rowOf = () => Object.fromEntries([...fields].map(([name, entry]) => [name, valueOf(entry)]));

function showCurl() {
  const body = JSON.stringify(rowOf()).replaceAll("'", "'\\''");
  byId("curl").textContent = `curl -s ${new URL("predict", location.href)} -H 'content-type: application/json' -d '${body}'`;
}

async function ask(address, row) {
  const response = await fetch(address, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(row) });
  return [response.ok, await response.json()];
}

const shown = (number) => Number.isInteger(number) ? String(number) : Number(number).toPrecision(6);

function showAnswer(told) {
  const one = told.predictions[0], percent = (share) => `${(100 * share).toFixed(2)} %`;
  const parts = [make("p", { className: "big" }, typeof one.prediction === "number" ? shown(one.prediction) : one.prediction)];
  if ("probability" in one) parts.push(make("p", {}, `Probability of ${facts.classes.at(-1)}: ${percent(one.probability)}`));
  if ("lower" in one) parts.push(make("p", {}, `Between ${shown(one.lower)} and ${shown(one.upper)}`));
  for (const [name, share] of Object.entries(one.probabilities ?? {})) parts.push(make("p", {}, `${name}: ${percent(share)}`));
  parts.push(make("p", { className: "quiet" }, `Version ${told.version}, logged as ${one.id}`));
  byId("answer").replaceChildren(...parts);
}

function showWhy(told) {
  const one = told.explanations[0], largest = Math.max(...one.contributions.map((each) => Math.abs(each.contribution)), 1e-300);
  const adding = one.contributions.filter((each) => each.contribution !== 0), others = one.contributions.length - adding.length;
  const rows = adding.map((each) => {
    const width = 50 * Math.abs(each.contribution) / largest, down = each.contribution < 0;
    const bar = make("span", { className: down ? "down" : "up" });
    bar.style.width = `${width}%`;
    bar.style.left = down ? `${50 - width}%` : "50%";
    const track = make("div", { className: "track", "aria-hidden": "true" }, bar);
    const sign = down ? "−" : "+";
    return make("tr", {}, make("th", { scope: "row" }, `${each.field} = ${each.value === null ? "null" : each.value}`),
      make("td", { className: "number" }, sign + shown(Math.abs(each.contribution))), make("td", { className: "bar" }, track));
  });
  const rest = others ? [make("p", { className: "quiet" }, `${others} of ${one.contributions.length} fields add nothing.`)] : [];
  const about = `From ${shown(one.base)} (${told.compared_with}) to ${shown(one.score)}, in ${told.scale} of ${one.output}; ${told.method}.`;
  const head = make("thead", {}, make("tr", {}, ...["Field", "Adds", "Share"].map((name) => make("th", { scope: "col" }, name))));
  byId("why").replaceChildren(make("p", { className: "quiet" }, about), make("table", {}, head, make("tbody", {}, ...rows)), ...rest);
}

function showError(place, told) {
  const message = typeof told === "string" ? told : told.error.message;
  byId(place).replaceChildren(make("p", { className: "error" }, message));
  let first = null;
  for (const problem of told.error?.fields ?? []) {
    const entry = fields.get(problem.field);
    if (!entry) continue;
    entry.input.setAttribute("aria-invalid", "true");
    entry.about.classList.add("bad");
    entry.about.textContent = `got ${problem.got}; allowed: ${problem.allowed}`;
    first ??= entry.input;
  }
  first?.focus();
}

function forget() {
  for (const { field, input, about } of fields.values()) {
    input.removeAttribute("aria-invalid");
    about.classList.remove("bad");
    about.textContent = note(field);
  }
}

byId("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  forget();
  const row = rowOf();
  byId("send").disabled = true;
  try {
    const [right, told] = await ask("predict", row);
    if (!right) { showError("answer", told); byId("why").replaceChildren(); return; }
    showAnswer(told);
    const [explained, why] = await ask("explain", row);
    if (explained) showWhy(why); else showError("why", why);
  } catch (error) {
    showError("answer", `The server cannot be reached: ${error.message}`);
  } finally {
    byId("send").disabled = false;
  }
});
byId("reset").addEventListener("click", () => { forget(); setExample(); });
byId("copy").addEventListener("click", async () => {
  try { await navigator.clipboard.writeText(byId("curl").textContent); byId("copied").textContent = "Copied."; }
  catch { byId("copied").textContent = "Select the text and copy it."; }
});

byId("title").textContent = facts.model;
byId("about").textContent = `Version ${facts.version} predicts ${facts.target} (${facts.task}). What you send is answered and logged as any other request.`;
facts.inputs.forEach(addField);
setExample();
