/** What each node of a plan means, for one row: the same formulas as in Homeostat's own interpreter, in float64. */

const MEANINGS = {
  Numbers: ({ columns }, out, { numbers }) => () => {
    for (let i = 0; i < out.length; i++) out[i] = numbers[columns[i]];
  },
  Pick: ({ columns }, out, _, x) => () => {
    for (let i = 0; i < out.length; i++) out[i] = x[columns[i]];
  },
  Lookup: ({ column, table }, out, { codes }) => () => {
    for (let i = 0, start = codes[column] * out.length; i < out.length; i++) out[i] = table[start + i];
  },
  DatePart: ({ part }, out, _, x) => each(out, (i) => calendarPart(part, x[i])),
  Cycle: ({ period }, out, _, x) => () => {
    const turn = (2 * Math.PI) / period;
    for (let i = 0; i < x.length; i++) {
      out[i] = Math.sin(x[i] * turn);
      out[x.length + i] = Math.cos(x[i] * turn);
    }
  },
  Impute: ({ values }, out, _, x) => each(out, (i) => (x[i] !== x[i] ? values[i] : x[i])),
  Indicator: (_node, out, _, x) => each(out, (i) => (x[i] !== x[i] ? 1 : 0)),
  Scale: ({ offset, divisor }, out, _, x) => each(out, (i) => (x[i] - offset[i]) / divisor[i]),
  Clip: ({ low, high }, out, _, x) => each(out, (i) => (x[i] < low[i] ? low[i] : x[i] > high[i] ? high[i] : x[i])),
  Power: ({ lambdas }, out, _, x) => each(out, (i) => yeoJohnson(x[i], lambdas[i])),
  Tfidf: ({ idf }, out, _, x) => () => {
    let norm = 0;
    for (let i = 0; i < out.length; i++) {
      out[i] = x[i] > 0 ? (Math.log(x[i]) + 1) * idf[i] : 0;
      norm += out[i] * out[i];
    }
    if (norm > 0) divide(out, Math.sqrt(norm));
  },
  Single: (_node, out, _, x) => each(out, (i) => Math.fround(x[i])),
  Linear: ({ weights, bias }, out, _, x) => () => {
    out.fill(0);
    for (let j = 0, at = 0; j < x.length; j++) for (let i = 0; i < out.length; i++, at++) out[i] += x[j] * weights[at];
    for (let i = 0; i < out.length; i++) out[i] += bias[i];
  },
  Activation: ({ kind }, out, _, x) => each(out, kind === "relu" ? (i) => (x[i] > 0 ? x[i] : 0) : (i) => x[i] * sigmoid(x[i])),
  Trees: trees,
  Constant: ({ values }, out) => () => out.set(values),
  Link: ({ kind }, out, _, x) => LINKS[kind](out, x),
  Prior: ({ factors }, out, _, x) => () => {
    for (let i = 0; i < out.length; i++) out[i] = x[i] * factors[i];
    divide(out, sum(out));
  },
  Log: ({ floor }, out, _, x) => each(out, (i) => Math.log(x[i] < floor ? floor : x[i])),
  Interpolate: (node, out, _, x) => {
    const slopes = node.y.map((y, i) => (i + 1 < node.y.length ? (node.y[i + 1] - y) / (node.x[i + 1] - node.x[i]) : 0));
    return each(out, (i) => interpolate(x[i], node.x, node.y, slopes));
  },
};

const LINKS = {
  identity: (out, x) => () => out.set(x),
  exp: (out, x) => each(out, (i) => Math.exp(x[i])),
  sigmoid: (out, x) => () => {
    out[1] = sigmoid(x[0]);
    out[0] = 1 - out[1];
  },
  softmax: (out, x) => () => {
    const most = Math.max(...x);
    for (let i = 0; i < out.length; i++) out[i] = Math.exp(x[i] - most);
    divide(out, sum(out));
  },
};

/** The nodes as a function that fills their blocks from what was decoded, in their order; `blocks` maps names to arrays and gets theirs. */
export function steps(nodes, blocks) {
  const ready = nodes.map((node) => {
    const out = new Float64Array(node.width);
    const sources = (node.sources ?? [node.source]).map((name) => blocks[name]);
    blocks[node.out] = out;
    return node.is === "Concat" ? concat(out, sources) : MEANINGS[node.is](node, out, blocks, sources[0]);
  });
  return () => {
    for (const step of ready) step();
  };
}

function each(out, value) {
  return () => {
    for (let i = 0; i < out.length; i++) out[i] = value(i);
  };
}

function concat(out, sources) {
  return () => {
    let start = 0;
    for (const source of sources) {
      out.set(source, start);
      start += source.length;
    }
  };
}

/** A split sends a row to its true child when the value is at most the threshold; children below 0 are leaves, -1 the first. */
function trees(node, out, _, x) {
  const { roots, feature, threshold, nan_true, true_child, false_child, leaf_value, leaf_target, bias } = node;
  return () => {
    out.fill(0);
    for (let tree = 0; tree < roots.length; tree++) {
      let at = roots[tree];
      while (at >= 0) {
        const value = x[feature[at]];
        const goesTrue = value <= threshold[at] || (value !== value && nan_true[at] === 1);
        at = goesTrue ? true_child[at] : false_child[at];
      }
      out[leaf_target[-at - 1]] += leaf_value[-at - 1];
    }
    for (let i = 0; i < out.length; i++) out[i] += bias[i];
  };
}

function sum(values) {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}

function divide(values, by) {
  for (let i = 0; i < values.length; i++) values[i] /= by;
}

function sigmoid(x) {
  const small = Math.exp(-Math.abs(x)); // never overflows
  return (x >= 0 ? 1 : small) / (1 + small);
}

function yeoJohnson(x, lambda) {
  const base = 1 + Math.abs(x);
  const power = x >= 0 ? lambda : 2 - lambda;
  const grown = power === 0 ? Math.log(base) : (base ** power - 1) / power;
  return x >= 0 ? grown : -grown;
}

/** A line through known points: flat beyond the ends, NaN for NaN. */
function interpolate(value, x, y, slopes) {
  const last = x.length - 1;
  const inside = value < x[0] ? x[0] : value > x[last] ? x[last] : value;
  let low = 0;
  let high = last; // ends as the last point at or below the value
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (inside < x[middle]) high = middle - 1;
    else low = middle;
  }
  return y[low] + slopes[low] * (inside - x[low]);
}

/** One part of a timestamp in seconds since 1970-01-01 UTC. Source: Neri and Schneider, "Euclidean affine functions" (2023). */
function calendarPart(part, seconds) {
  const { floor } = Math;
  const whole = floor(seconds);
  const days = floor(whole / 86400);
  if (part === "hour") return floor((whole - days * 86400) / 3600);
  if (part === "weekday") return days + 3 - floor((days + 3) / 7) * 7;
  const late = days + 719468.75;
  const century = floor(late / 36524.25);
  const lateInCentury = late - floor(century * 36524.25);
  const year = floor(lateInCentury / 365.25);
  const lateInYear = lateInCentury - floor(year * 365.25);
  const month = floor((lateInYear * 5 - 1.75) / 153); // 0 is March
  if (part === "day") return lateInYear - floor((month * 153 + 2) / 5) + 0.25;
  const turned = floor(month / 10);
  if (part === "month") return month - turned * 12 + 3;
  const before = century * 100 + year + turned - 1;
  const leaps = floor(before / 4) - floor(before / 100) + floor(before / 400);
  return days - before * 365 - leaps + 719163;
}
