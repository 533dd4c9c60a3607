/** Files of rows: CSV and JSON lines in, the same with answers out. */

/** The cells of a CSV text: fields may be quoted and then hold separators, line ends and doubled quotes. */
export function csvCells(text) {
  const separator = guessed(text);
  const lines = [];
  let line = [];
  let cell = "";
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[at + 1] === '"') cell += text[at++];
      else quoted = false;
    } else if (character === '"' && cell === "") quoted = true;
    else if (character === separator) {
      line.push(cell);
      cell = "";
    } else if (character === "\n" || character === "\r") {
      if (character === "\r" && text[at + 1] === "\n") at++;
      lines.push([...line, cell]);
      line = [];
      cell = "";
    } else cell += character;
  }
  if (cell !== "" || line.length) lines.push([...line, cell]);
  return lines.filter((cells) => cells.length > 1 || cells[0] !== "");
}

function guessed(text) {
  const head = text.slice(0, Math.max(0, text.search(/[\r\n]/)) || text.length);
  return [",", ";", "\t"].reduce((best, each) => (head.split(each).length > head.split(best).length ? each : best));
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const TRUTHS = { true: true, false: false, 1: true, 0: false };

/** A cell as the raw value its input's kind takes; an empty cell is null, and what cannot be read stays a text, to be refused by name. */
export function cellValue({ kind, vocabulary }, cell) {
  const text = cell.trim();
  if (kind === "text") return cell === "" ? null : cell;
  if (text === "") return null;
  if (kind === "category") return !vocabulary.includes(cell) && NUMBER.test(text) ? Number(text) : cell;
  if (kind === "boolean") return TRUTHS[text.toLowerCase()] ?? text;
  return NUMBER.test(text) ? Number(text) : text;
}

/** The rows of a file as objects of named fields; names of columns that are no inputs are left out. */
export function rowsOf(name, text, inputs) {
  const plain = text.replace(/^\ufeff/, "");
  if (/\.(json|ndjson|jsonl)$/i.test(name)) {
    const start = plain.trimStart();
    const rows = start.startsWith("[") ? JSON.parse(start) : start.split("\n").filter((line) => line.trim()).map((line) => JSON.parse(line));
    return rows.map((row) => (row && typeof row === "object" ? Object.fromEntries(Object.entries(row).filter(([key]) => inputs.some((each) => each.name === key))) : row));
  }
  const [header, ...lines] = csvCells(plain);
  const places = inputs.map((each) => [each, header.indexOf(each.name)]).filter(([, place]) => place >= 0);
  return lines.map((cells) => Object.fromEntries(places.map(([each, place]) => [each.name, cellValue(each, cells[place] ?? "")])));
}

/** An answer as flat columns. */
export function answerColumns({ prediction, probability, probabilities, lower, upper, problems }) {
  if (problems) return { problem: problems.map((each) => `${each.field || "row"}: got ${each.got}; allowed: ${each.allowed}`).join(" | ") };
  const each = Object.entries(probabilities ?? {}).map(([name, value]) => [`probability_${name}`, value]);
  const all = { prediction, probability, lower, upper, ...Object.fromEntries(each) };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** Rows with their answers as a CSV text. */
export function csvText(rows, answers, inputs) {
  const told = answers.map(answerColumns);
  const names = [...new Set([...told.flatMap(Object.keys)])];
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const head = [...inputs.map((each) => each.name), ...names];
  const lines = rows.map((row, at) => [...inputs.map((each) => row?.[each.name]), ...names.map((name) => told[at][name])]);
  return [head, ...lines].map((line) => line.map(cell).join(",")).join("\n") + "\n";
}

/** Rows with their answers as JSON lines. */
export function linesText(rows, answers) {
  return rows.map((row, at) => JSON.stringify({ ...row, ...answerColumns(answers[at]) })).join("\n") + "\n";
}
