/** Which wire fits which port: the rules of the engine, so that a connection can be judged while it is dragged. */

export type Shape =
  | string
  | { readonly list: Shape }
  | { readonly any_of: readonly Shape[] }
  | { readonly one_of: readonly unknown[] }
  | { readonly tuple: readonly Shape[] }
  | { readonly tuple_of: Shape }
  | { readonly dict: readonly [Shape, Shape] }
  | { readonly var: string; readonly limits: readonly Shape[] };

export type Bases = (name: string) => readonly string[];
type Bindings = Map<string, Shape>;

type Kind<K extends string> = Extract<Exclude<Shape, string>, Readonly<Record<K, unknown>>>;

function is<K extends 'list' | 'any_of' | 'one_of' | 'tuple' | 'tuple_of' | 'dict' | 'var'>(
  shape: Shape,
  kind: K,
): shape is Kind<K> {
  return typeof shape === 'object' && kind in shape;
}

/** Whether every value of `have` is a value of `want`. */
export function fits(want: Shape, have: Shape, bases: Bases, bindings: Bindings = new Map()): boolean {
  if (want === 'any' || have === 'any' || same(want, have) || is(have, 'var')) return true;
  if (is(want, 'var')) return binds(want, have, bases, bindings);
  if (is(have, 'any_of')) return have.any_of.every((part) => fits(want, part, bases, bindings));
  if (is(want, 'any_of')) return want.any_of.some((part) => fits(part, have, bases, bindings));
  if (is(have, 'one_of')) return literalFits(want, have.one_of, bases);
  if (is(want, 'one_of')) return want.one_of.some((value) => nameOfLiteral(value) === have);
  return structureFits(want, have, bases, bindings);
}

function binds(want: Kind<'var'>, have: Shape, bases: Bases, bindings: Bindings): boolean {
  const limits = want.limits.length > 0 ? want.limits : ['any'];
  if (!limits.some((limit) => fits(limit, have, bases, bindings))) return false;
  const bound = bindings.get(want.var);
  if (bound !== undefined) {
    if (fits(bound, have, bases, bindings)) return true;
    if (!fits(have, bound, bases, bindings)) return false;
  }
  bindings.set(want.var, have);
  return true;
}

function literalFits(want: Shape, values: readonly unknown[], bases: Bases): boolean {
  if (is(want, 'one_of')) return values.every((value) => want.one_of.includes(value));
  return values.every((value) => fits(want, nameOfLiteral(value), bases));
}

function nameOfLiteral(value: unknown): string {
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float';
  return value === null ? 'None' : 'str';
}

function structureFits(want: Shape, have: Shape, bases: Bases, bindings: Bindings): boolean {
  if (want === 'float' && have === 'int') return true;
  const [outer, inner] = [containerOf(want), containerOf(have)];
  if (typeof want === 'string') return derives(typeof have === 'string' ? have : inner, want, bases);
  if (typeof have === 'string') return outer === have;
  if (is(want, 'list') && is(have, 'list')) return fits(want.list, have.list, bases, bindings);
  if (is(want, 'tuple_of') && is(have, 'tuple_of'))
    return fits(want.tuple_of, have.tuple_of, bases, bindings);
  if (is(want, 'tuple_of') && is(have, 'tuple'))
    return have.tuple.every((one) => fits(want.tuple_of, one, bases, bindings));
  if (is(want, 'tuple') && is(have, 'tuple')) {
    const given = have.tuple;
    return (
      want.tuple.length === given.length &&
      want.tuple.every((one, i) => fits(one, given[i] as Shape, bases, bindings))
    );
  }
  if (is(want, 'dict') && is(have, 'dict')) {
    return (
      fits(want.dict[0], have.dict[0], bases, bindings) && fits(want.dict[1], have.dict[1], bases, bindings)
    );
  }
  return false;
}

function containerOf(shape: Shape): string {
  if (typeof shape === 'string') return shape;
  return is(shape, 'list') ? 'list' : is(shape, 'dict') ? 'dict' : 'tuple';
}

function derives(have: string, want: string, bases: Bases): boolean {
  if (have === want) return true;
  if (have === 'bool' && (want === 'int' || want === 'float')) return false;
  return bases(have).some((base) => derives(base, want, bases));
}

function same(a: Shape, b: Shape): boolean {
  return (
    a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b))
  );
}

/** List levels to map so that `have` fits `want`; 0 fits as it is, null never fits. */
export function levels(want: Shape, have: Shape, bases: Bases): number | null {
  for (let count = 0; ; count++) {
    if (fits(want, have, bases)) return count;
    if (!is(have, 'list')) return null;
    have = have.list;
  }
}

/** The item types of a port that collects several wires into a list. */
export function itemShapes(want: Shape): Shape[] {
  if (is(want, 'list')) return [want.list];
  return is(want, 'any_of') ? want.any_of.flatMap(itemShapes) : [];
}

export function takesList(want: Shape): boolean {
  return itemShapes(want).length > 0;
}

/** A type without its lists and without "or nothing": what gives a wire its colour. */
export function coreOf(shape: Shape): string {
  if (typeof shape === 'string') return shape;
  if (is(shape, 'list')) return coreOf(shape.list);
  if (is(shape, 'tuple_of')) return coreOf(shape.tuple_of);
  if (is(shape, 'any_of')) return coreOf(shape.any_of.find((part) => part !== 'None') ?? 'any');
  if (is(shape, 'one_of')) return nameOfLiteral(shape.one_of[0]);
  if (is(shape, 'var')) return shape.limits.length === 1 ? coreOf(shape.limits[0] as Shape) : 'any';
  return is(shape, 'dict') ? 'dict' : 'tuple';
}

/** Plain types as people say them; the others are names of their own. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ['None', 'nothing'],
  ['any', 'anything'],
  ['str', 'text'],
  ['int', 'whole number'],
  ['float', 'number'],
  ['bool', 'yes or no'],
]);

const isCounted = (shape: Shape): boolean => shape === 'str' || shape === 'int' || shape === 'float';

/** How a type is written for people: `list of Video`, `Image or text`. */
export function describe(shape: Shape): string {
  if (typeof shape === 'string') return WORDS.get(shape) ?? shape;
  if (is(shape, 'list')) return `list of ${describe(shape.list)}${isCounted(shape.list) ? 's' : ''}`;
  if (is(shape, 'any_of'))
    return shape.any_of
      .filter((part) => part !== 'None')
      .map(describe)
      .join(' or ');
  if (is(shape, 'one_of')) return shape.one_of.map((value) => JSON.stringify(value)).join(' or ');
  if (is(shape, 'var')) return shape.limits.length > 0 ? shape.limits.map(describe).join(' or ') : 'anything';
  if (is(shape, 'tuple_of')) return `tuple of ${describe(shape.tuple_of)}`;
  if (is(shape, 'tuple')) return `tuple of ${shape.tuple.map(describe).join(', ')}`;
  return `dict of ${describe(shape.dict[1])}`;
}

/** Read a type as it is written: `list[Video]`, `int | None`, `'a' | 'b'`. What cannot be read is `any`. */
export function parseShape(text: string): Shape {
  const parts = splitTop(text, '|');
  if (parts.length > 1) {
    const shapes = parts.map(parseShape);
    const literals = parts.filter((part) => /^'.*'$/.test(part));
    return literals.length === parts.length
      ? { one_of: literals.map((part) => part.slice(1, -1)) }
      : { any_of: shapes };
  }
  const found = /^(\w+)\[(.*)\]$/s.exec(text.trim());
  if (found === null) return /^\w+$/.test(text.trim()) ? text.trim() : 'any';
  const inner = splitTop(found[2] ?? '', ',');
  if (found[1] === 'list') return { list: parseShape(inner[0] ?? 'any') };
  if (found[1] === 'dict') return { dict: [parseShape(inner[0] ?? 'any'), parseShape(inner[1] ?? 'any')] };
  if (found[1] !== 'tuple') return 'any';
  return inner[1] === '...' ? { tuple_of: parseShape(inner[0] ?? 'any') } : { tuple: inner.map(parseShape) };
}

function splitTop(text: string, by: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '[') depth++;
    else if (text[at] === ']') depth--;
    else if (text[at] === by && depth === 0) {
      parts.push(text.slice(from, at).trim());
      from = at + 1;
    }
  }
  return [...parts, text.slice(from).trim()];
}
