/** From raw values to numbers: what each kind of input allows, and what it becomes. A reader returns undefined for what is not allowed. */

export const ALLOWED = {
  number: "a finite number or null",
  boolean: "true, false, 0, 1 or null",
  timestamp: "an ISO 8601 date or date-time, epoch seconds of the years 1 to 9999, or null",
  category: "a text, a finite number, true, false or null",
  text: "a text or null",
};

const EARLIEST = -62135596800; // the years 1 to 9999 in UTC, END excluded
const END = 253402300800;
const ISO = new RegExp(
  "^(\\d{4})-(\\d\\d)-(\\d\\d)" + // a date
    "(?:[T ]([01]\\d|2[0-3]):([0-5]\\d)(?::([0-5]\\d)(?:\\.(\\d+))?)?" + // and a time
    "(?:Z|([+-])(\\d\\d)(?::?(\\d\\d))?)?)?$", // and an offset
);

function readNumber(value) {
  if (value === null) return NaN;
  const number = typeof value === "bigint" ? Number(value) : value;
  return typeof number === "number" && Math.abs(number) !== Infinity ? number : undefined;
}

function readBoolean(value) {
  if (typeof value === "boolean") return value ? 1 : 0;
  const number = readNumber(value);
  return number === 0 || number === 1 || Number.isNaN(number) ? number : undefined;
}

function readTimestamp(value) {
  const seconds = typeof value === "string" ? isoSeconds(value) : value instanceof Date ? value.getTime() / 1000 : readNumber(value);
  return Number.isNaN(seconds) || (seconds >= EARLIEST && seconds < END) ? seconds : undefined;
}

/** Seconds since 1970-01-01 UTC of an ISO 8601 text; digits after the microsecond are dropped. */
function isoSeconds(text) {
  const found = ISO.exec(text);
  if (!found) return undefined;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map((part) => Number(part ?? 0));
  const date = new Date(0);
  const days = date.setUTCFullYear(year, month - 1, day) / 86400000;
  if (year < 1 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined; // the thirteenth month
  const shift = Number(found[9] ?? 0) * 60 + Number(found[10] ?? 0);
  if (shift >= 24 * 60) return undefined;
  const micros = Number((found[7] ?? "").slice(0, 6).padEnd(6, "0"));
  const seconds = days * 86400 + hour * 3600 + minute * 60 + second - (found[8] === "-" ? -shift : shift) * 60;
  return seconds + micros / 1e6;
}

/** 0 for null, 1 to K for the vocabulary, K + 1 for what was never seen. A number is known by its value, and a bigint by its digits. */
function categoryReader({ vocabulary, amounts = [] }) {
  const codes = new Map(vocabulary.map((text, at) => [text, at + 1]));
  amounts.forEach((number, at) => {
    if (number !== null && !codes.has(number)) codes.set(number, at + 1);
  });
  const unseen = vocabulary.length + 1;
  return (value) => {
    if (value === null || Number.isNaN(value)) return 0;
    if (typeof value === "string" || (typeof value === "number" && Math.abs(value) !== Infinity)) return codes.get(value) ?? unseen;
    return typeof value === "boolean" || typeof value === "bigint" ? (codes.get(String(value)) ?? unseen) : undefined;
  };
}

/** How often each term of the vocabulary is in a text, as a list; null for null. `rule` says what a word is: see the plan's tables. */
function textReader({ vocabulary }, { words, upper }) {
  const span = ([first, last]) => `\\u{${first.toString(16)}}-\\u{${last.toString(16)}}`;
  const word = new RegExp(`[${words.map(span).join("")}]+`, "gu");
  const capital = new RegExp(`[${upper.map(span).join("")}]`, "gu");
  const places = new Map(vocabulary.map((term, at) => [term, at]));
  const lower = (character) => {
    const code = character.codePointAt(0);
    const [, , shift] = upper.find(([first, last]) => code >= first && code <= last);
    return String.fromCodePoint(code + shift);
  };
  return (value) => {
    if (value === null || Number.isNaN(value)) return null;
    if (typeof value !== "string") return undefined;
    const counts = new Float64Array(vocabulary.length);
    for (const term of value.replace(capital, lower).match(word) ?? []) {
      const place = places.get(term);
      if (place !== undefined) counts[place] += 1;
    }
    return counts;
  };
}

const READERS = { number: readNumber, boolean: readBoolean, timestamp: readTimestamp };

/** A row that is refused; `problems` has an entry {field, got, allowed} for each bad field. */
export class RowError extends Error {
  constructor(problems) {
    const [first] = problems;
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
    super(`${first.field ? `field '${first.field}': ` : ""}got ${first.got}; allowed: ${first.allowed}${more}`);
    this.name = "RowError";
    this.problems = problems;
  }
}

/** Decodes rows of named fields; `tables.inputs` are the model's inputs, `tables.ignored` names that may be there and are not read. */
export class Decoder {
  constructor({ inputs, ignored = [], terms }) {
    this.inputs = inputs;
    this.known = new Set([...inputs.map((each) => each.name), ...ignored]);
    this.widths = { numbers: 0, codes: 0, terms: 0 };
    this.fields = inputs.map((each) => {
      const block = each.kind === "category" ? "codes" : each.kind === "text" ? "terms" : "numbers";
      const place = this.widths[block];
      this.widths[block] += block === "terms" ? each.vocabulary.length : 1;
      const read =
        block === "codes" ? categoryReader(each) : block === "terms" ? textReader(each, terms) : READERS[each.kind];
      return { name: each.name, kind: each.kind, block, place, read, width: each.vocabulary?.length ?? 1 };
    });
  }

  /** Arrays for so many rows. */
  blocks(rows = 1) {
    const { numbers, codes, terms } = this.widths;
    return { numbers: new Float64Array(rows * numbers), codes: new Int32Array(rows * codes), terms: new Float64Array(rows * terms) };
  }

  /** Read a row into the arrays, as their row `at`; throws a RowError and leaves them half filled for a row that is refused. */
  read(row, blocks, at = 0) {
    if (row === null || typeof row !== "object" || Array.isArray(row)) {
      throw new RowError([{ field: "", got: shown(row), allowed: "an object of named fields" }]);
    }
    const problems = [];
    for (const { name, kind, block, place, read, width } of this.fields) {
      const given = Object.hasOwn(row, name) ? row[name] : undefined;
      if (given === undefined) {
        problems.push({ field: name, got: "missing", allowed: `${ALLOWED[kind]}; null must be written` });
        continue;
      }
      const value = read(given);
      const start = at * this.widths[block] + place;
      if (value === undefined) problems.push({ field: name, got: shown(given), allowed: ALLOWED[kind] });
      else if (block !== "terms") blocks[block][start] = value;
      else if (value === null) blocks.terms.fill(NaN, start, start + width);
      else blocks.terms.set(value, start);
    }
    for (const name in row) {
      if (!this.known.has(name)) problems.push({ field: name, got: "unknown field", allowed: `one of ${this.inputs.map((each) => each.name).join(", ")}` });
    }
    if (problems.length) throw new RowError(problems);
  }
}

function shown(value) {
  const text = typeof value === "bigint" ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
