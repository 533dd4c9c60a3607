/** Compares answers with those that were given where the model was made. */

/** Absolute up to 1 and relative beyond; 0 where both are the same. */
function difference(got, wanted) {
  if (got === wanted) return 0;
  const off = Math.abs(got - wanted) / Math.max(1, Math.abs(wanted));
  return Number.isFinite(off) ? off : Infinity;
}

function numbersOf({ prediction, probability, probabilities, lower, upper }) {
  return [prediction, probability, lower, upper, ...Object.values(probabilities ?? {})].filter((each) => typeof each === "number");
}

/** Rows of a proof, as the model takes them. */
export function proofRows({ inputs, rows }) {
  return rows.map((row) => Object.fromEntries(inputs.map((name, at) => [name, row[at]])));
}

/** How far the answers to the rows of a proof are off; `passed` says whether that is allowed. */
export function compare(proof, answers) {
  let [largest, flips, refused] = [0, 0, 0];
  proof.answers.forEach((wanted, at) => {
    const got = answers[at];
    if (got.problems) {
      refused++;
      return;
    }
    const numbers = numbersOf(got);
    if (typeof wanted.prediction === "string" && got.prediction !== wanted.prediction) flips++;
    numbersOf(wanted).forEach((number, place) => {
      largest = Math.max(largest, difference(numbers[place], number));
    });
  });
  const passed = flips === 0 && refused === 0 && largest <= proof.tolerance;
  return { rows: proof.rows.length, largest, flips, refused, passed };
}

export function told({ rows, largest, flips, refused }) {
  return `${rows} rows, largest difference ${largest}, ${flips} decided otherwise, ${refused} refused`;
}
