/** What the editor knows of a node's type: ports, settings, outputs, made once from the server's catalogue. */

import { parseShape, type Shape } from './shapes';
import type { JsonSchema, WidgetName } from './settings';
import { readSetting } from './settings';

export interface Port {
  readonly name: string;
  readonly shape: Shape;
  readonly required: boolean;
  readonly doc: string;
}

export interface Setting {
  readonly name: string;
  readonly shape: Shape;
  readonly schema: JsonSchema;
  readonly widget: WidgetName;
  /** May be empty, which is `null` in the document. */
  readonly optional: boolean;
  readonly required: boolean;
  readonly initial: unknown;
  readonly accepts: string;
  readonly doc: string;
  /** Of a workflow used as a node: the setting inside that it is, `outer/node.name`. */
  readonly leads?: string;
}

export interface Output {
  readonly name: string;
  readonly shape: Shape;
}

export interface Def {
  readonly id: string;
  readonly version: number;
  readonly title: string;
  readonly category: string;
  readonly doc: string;
  readonly ports: readonly Port[];
  readonly settings: readonly Setting[];
  readonly outputs: readonly Output[];
  readonly effect: boolean;
  /** Small and pure: its result is known before anything runs. */
  readonly fold: boolean;
  /** A workflow used as a node. */
  readonly inner: boolean;
  /** Of such a one, the nodes behind its outputs. */
  readonly behind?: readonly string[];
}

export interface TypeFacts {
  readonly bases: readonly string[];
  readonly shows?: string | null;
}

export interface Converter {
  readonly node: string;
  readonly port: string;
  readonly output: string;
  readonly from: Shape;
  readonly to: Shape;
}

export interface Catalogue {
  readonly defs: ReadonlyMap<string, Def>;
  readonly types: ReadonlyMap<string, TypeFacts>;
  readonly converters: readonly Converter[];
  /** What each category is for, by its name. */
  readonly about: ReadonlyMap<string, string>;
  readonly failures: readonly { readonly pack: string; readonly reason: string }[];
}

export interface RawNode {
  id: string;
  version: number;
  title: string;
  category?: string;
  doc: string;
  ports: Record<string, { type: string; shape?: Shape; required: boolean }>;
  settings: JsonSchema;
  outputs: Record<string, string>;
  output_shapes?: Record<string, Shape>;
  flags: Record<string, boolean>;
}

export interface RawCatalogue {
  nodes: Record<string, RawNode>;
  types?: Record<string, TypeFacts>;
  converters?: { source_shape: Shape; target_shape: Shape; node: string; port: string; output: string }[];
  categories?: { id: string; about: string }[];
  failures?: { pack: string; reason: string }[];
}

/** Docstrings name ports and settings as `name: text` or `a, b: text`, with indented lines going on. */
export function docsByName(doc: string, names: ReadonlySet<string>): Map<string, string> {
  const found = new Map<string, string>();
  let open: string[] = [];
  for (const line of doc.split('\n')) {
    const goesOn = /^\s+\S/.test(line);
    if (goesOn) {
      for (const name of open) found.set(name, `${found.get(name)} ${line.trim()}`);
      continue;
    }
    open = [];
    for (const piece of line.split(/(?<=\.)\s+(?=[a-z_0-9]+(?:, [a-z_0-9]+)*: )/)) {
      const match = /^([a-z_0-9]+(?:, [a-z_0-9]+)*): (.*)$/.exec(piece);
      const heads = match?.[1]?.split(', ') ?? [];
      if (heads.length > 0 && heads.every((name) => names.has(name))) {
        open = heads;
        for (const name of heads) found.set(name, match?.[2] ?? '');
      }
    }
  }
  return found;
}

export function readNode(raw: RawNode): Def {
  const names = new Set([...Object.keys(raw.ports), ...Object.keys(raw.settings.properties ?? {})]);
  const docs = docsByName(raw.doc, names);
  const required = new Set(raw.settings.required ?? []);
  return {
    id: raw.id,
    version: raw.version,
    title: raw.title,
    category: raw.category ?? raw.id.split('/')[0] ?? '',
    doc: raw.doc,
    ports: Object.entries(raw.ports).map(([name, port]) => ({
      name,
      shape: port.shape ?? parseShape(port.type),
      required: port.required,
      doc: docs.get(name) ?? '',
    })),
    settings: Object.entries(raw.settings.properties ?? {}).map(([name, schema]) => ({
      ...readSetting(name, schema, raw.settings.$defs),
      required: required.has(name),
      doc: schema.description ?? docs.get(name) ?? '',
    })),
    outputs: Object.entries(raw.outputs).map(([name, type]) => ({
      name,
      shape: raw.output_shapes?.[name] ?? parseShape(type),
    })),
    effect: raw.flags.effect === true,
    fold: raw.flags.fold === true,
    inner: false,
  };
}

export function readCatalogue(raw: RawCatalogue): Catalogue {
  return {
    defs: new Map(Object.values(raw.nodes).map((node) => [node.id, readNode(node)])),
    types: new Map(Object.entries(raw.types ?? {})),
    converters: (raw.converters ?? []).map((one) => ({
      node: one.node,
      port: one.port,
      output: one.output,
      from: one.source_shape,
      to: one.target_shape,
    })),
    about: new Map((raw.categories ?? []).map(({ id, about }) => [id, about])),
    failures: raw.failures ?? [],
  };
}

/** The shape that an input of a node takes, port or setting; undefined if there is none of that name. */
export function inputShape(def: Def, name: string): Shape | undefined {
  return (def.ports.find((port) => port.name === name) ?? def.settings.find((one) => one.name === name))
    ?.shape;
}

/** The output that a wire means: the named one, or the only one. */
export function outputOf(def: Def, name: string | undefined): Output | undefined {
  if (name !== undefined) return def.outputs.find((output) => output.name === name);
  return def.outputs.length === 1 ? def.outputs[0] : undefined;
}

export function firstLine(doc: string): string {
  return doc.split('\n')[0] ?? '';
}
