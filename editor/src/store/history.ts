/** Undo and redo over whole documents: they share what they leave alone, so a step is little more than a pointer. */

export interface Step<T> {
  readonly value: T;
  /** What was done next, for the menu: "undo move". */
  readonly label: string;
}

export interface Timeline<T> {
  readonly now: T;
  readonly past: readonly Step<T>[];
  readonly future: readonly Step<T>[];
  /** Steps of the same kind that follow each other quickly are one. */
  readonly merge: string;
  readonly at: number;
}

const KEPT = 200;
const MERGE_MS = 1_200;

export function begin<T>(now: T): Timeline<T> {
  return { now, past: [], future: [], merge: '', at: 0 };
}

/** Go on to a new value. merge: with the same text shortly after, both are one step; empty never merges. */
export function step<T>(
  line: Timeline<T>,
  value: T,
  label: string,
  merge = '',
  at = Date.now(),
): Timeline<T> {
  if (value === line.now) return line;
  if (merge !== '' && merge === line.merge && at - line.at < MERGE_MS && line.past.length > 0) {
    return { ...line, now: value, future: [], at };
  }
  return {
    now: value,
    past: [...line.past.slice(1 - KEPT), { value: line.now, label }],
    future: [],
    merge,
    at,
  };
}

export function undo<T>(line: Timeline<T>): Timeline<T> {
  const last = line.past[line.past.length - 1];
  if (last === undefined) return line;
  const future = [{ value: line.now, label: last.label }, ...line.future];
  return { now: last.value, past: line.past.slice(0, -1), future, merge: '', at: 0 };
}

export function redo<T>(line: Timeline<T>): Timeline<T> {
  const next = line.future[0];
  if (next === undefined) return line;
  const past = [...line.past, { value: line.now, label: next.label }];
  return { now: next.value, past, future: line.future.slice(1), merge: '', at: 0 };
}
