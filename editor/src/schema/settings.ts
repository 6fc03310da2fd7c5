/** From a setting's JSON Schema to the control that sets it. */

import type { Setting } from './defs';
import { parseShape, type Shape } from './shapes';

export interface JsonSchema {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly multipleOf?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly $ref?: string;
  readonly widget?: string;
  readonly shape?: Shape;
  readonly accepts?: string;
  readonly optional?: boolean;
  readonly seed?: boolean;
}

const WIDGETS = [
  'number', 'integer', 'switch', 'choice', 'text', 'textarea', 'seed', 'colour', 'file', 'model', 'form', 'list', 'json',
] as const; // prettier-ignore

export type WidgetName = (typeof WIDGETS)[number];

/** A schema with its reference followed. */
export function resolve(schema: JsonSchema, defs: JsonSchema['$defs']): JsonSchema {
  const name = schema.$ref?.split('/').pop();
  if (name === undefined || defs === undefined || !Object.hasOwn(defs, name)) return schema;
  return { ...defs[name], ...(schema.default !== undefined && { default: schema.default }) };
}

export function readSetting(
  name: string,
  raw: JsonSchema,
  defs?: JsonSchema['$defs'],
): Omit<Setting, 'required' | 'doc'> {
  const sides = raw.anyOf?.filter((one) => one.type !== 'null');
  const optional = raw.optional ?? (sides !== undefined && sides.length < (raw.anyOf?.length ?? 0));
  const inner = sides?.length === 1 && sides[0] ? resolve(sides[0], defs) : resolve(raw, defs);
  const schema: JsonSchema = { ...inner, default: raw.default, $defs: defs };
  const widget = WIDGETS.find((one) => one === raw.widget) ?? widgetOf(name, schema);
  return {
    name,
    schema,
    widget,
    optional,
    shape: raw.shape ?? shapeOf(raw),
    initial: raw.default,
    accepts: raw.accepts ?? 'any',
  };
}

function widgetOf(name: string, schema: JsonSchema): WidgetName {
  if (schema.seed) return 'seed';
  if (schema.enum) return 'choice';
  if (schema.type === 'boolean') return 'switch';
  if (schema.type === 'integer') return 'integer';
  if (schema.type === 'number') return 'number';
  if (schema.type === 'array') return 'list';
  if (schema.type === 'object') return 'form';
  if (schema.type !== 'string') return 'json';
  if (schema.pattern?.startsWith('^#[0-9a-f')) return 'colour';
  if (name === 'path') return 'file';
  if (name === 'model') return 'model';
  return (schema.maxLength ?? 0) >= 1000 || name.endsWith('prompt') || name === 'text' ? 'textarea' : 'text';
}

const SCALARS: Readonly<Record<string, string>> = {
  string: 'str',
  integer: 'int',
  number: 'float',
  boolean: 'bool',
  null: 'None',
};

function shapeOf(schema: JsonSchema): Shape {
  if (schema.anyOf) return { any_of: schema.anyOf.map(shapeOf) };
  if (schema.enum) return { one_of: schema.enum };
  if (schema.type === 'array') return { list: schema.items ? shapeOf(schema.items) : 'any' };
  return parseShape(SCALARS[schema.type ?? ''] ?? 'any');
}

export interface Range {
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly step: number;
  /** Both ends are there and near enough for a slider to make sense. */
  readonly slider: boolean;
}

export function rangeOf(schema: JsonSchema, whole: boolean): Range {
  const min = schema.minimum ?? schema.exclusiveMinimum;
  const max = schema.maximum ?? schema.exclusiveMaximum;
  const span = min !== undefined && max !== undefined ? max - min : undefined;
  const fine = span !== undefined && span <= 2 ? 0.01 : span !== undefined && span <= 20 ? 0.1 : 0.5;
  const step = schema.multipleOf ?? (whole ? 1 : fine);
  return { min, max, step, slider: span !== undefined && span > 0 && span <= 256 };
}

/** What is wrong with a value, for people; empty if nothing. The server has the last word. */
export function problemOf(schema: JsonSchema, value: unknown): string {
  if (typeof value === 'number') {
    if (schema.minimum !== undefined && value < schema.minimum) return `at least ${schema.minimum}`;
    if (schema.maximum !== undefined && value > schema.maximum) return `at most ${schema.maximum}`;
    if (schema.exclusiveMinimum !== undefined && value <= schema.exclusiveMinimum)
      return `more than ${schema.exclusiveMinimum}`;
    if (schema.exclusiveMaximum !== undefined && value >= schema.exclusiveMaximum)
      return `less than ${schema.exclusiveMaximum}`;
    if (schema.type === 'integer' && !Number.isInteger(value)) return 'a whole number';
  }
  if (typeof value === 'string') {
    if (schema.minLength !== undefined && value.length < schema.minLength) return 'must not be empty';
    if (schema.maxLength !== undefined && value.length > schema.maxLength)
      return `at most ${schema.maxLength} characters`;
    if (schema.pattern !== undefined && !matches(schema.pattern, value))
      return 'is not of the form that is asked for';
  }
  return '';
}

function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(value);
  } catch {
    return true;
  }
}
