/** The model as functions: `predict(row)` gives an answer or throws a RowError, `predictAll(rows)` answers each row by itself. */

import { Model } from "./model.js";
import tables from "./tables.js";

export { RowError } from "./values.js";

const model = new Model(tables);

export const predict = (row) => model.predict(row);
export const predictAll = (rows) => model.predictAll(rows);
