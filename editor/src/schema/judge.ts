/** Judges connections and bypasses on a whole document: the shapes of both ends, circles, converters. */

import { own } from '../document/records';
import type { NodeEntry, Workflow } from '../document/types';
import { closesCircle, split } from '../document/wires';
import type { Judge } from '../document/off';
import { inputShape, outputOf, type Catalogue, type Converter, type Def } from './defs';
import { describe, fits, itemShapes, levels, parseShape, type Bases, type Shape } from './shapes';

export type DefOf = (type: string) => Def | undefined;
/** Types of outputs as the server inferred them, by node and output. */
export type Inferred = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface Verdict {
  readonly ok: boolean;
  /** Why not, for people. */
  readonly reason: string;
  /** The wire becomes one more item of a list. */
  readonly append: boolean;
  /** The node will be run once for each item. */
  readonly mapped: boolean;
  /** A node that makes it fit, if there is exactly one. */
  readonly converter?: Converter;
}

export function basesOf(catalogue: Catalogue): Bases {
  return (name) => catalogue.types.get(name)?.bases ?? [];
}

/** The shape of an output, as inferred if the server has told it since. */
export function shapeOfWire(
  doc: Workflow,
  wire: string,
  defOf: DefOf,
  inferred: Inferred,
): Shape | undefined {
  const { node, output } = split(wire);
  const def = defOf(own(doc.nodes, node)?.type ?? '');
  const found = def && outputOf(def, output);
  if (found === undefined) return undefined;
  const told = own(own(inferred, node), found.name);
  return told !== undefined ? parseShape(told) : found.shape;
}

const refuse = (reason: string): Verdict => ({ ok: false, reason, append: false, mapped: false });

/** Whether a wire may go into an input. `kind` of the verdict says what would happen. */
export function judge(
  doc: Workflow,
  wire: string,
  node: string,
  input: string,
  catalogue: Catalogue,
  defOf: DefOf,
  inferred: Inferred = {},
): Verdict {
  const entry = own(doc.nodes, node);
  const def = entry && defOf(entry.type);
  if (def === undefined) return refuse('this node is not installed');
  const want = inputShape(def, input);
  const have = shapeOfWire(doc, wire, defOf, inferred);
  if (want === undefined || have === undefined) return refuse('there is no such port');
  if (split(wire).node === node) return refuse('a node cannot feed itself');
  if (closesCircle(doc, split(wire).node, node)) return refuse('this would close a circle');
  return judgeShapes(want, have, catalogue);
}

export function judgeShapes(want: Shape, have: Shape, catalogue: Catalogue): Verdict {
  const bases = basesOf(catalogue);
  const whole = fits(want, have, bases);
  if (!whole && itemShapes(want).some((item) => fits(item, have, bases))) {
    return { ok: true, reason: '', append: true, mapped: false };
  }
  const depth = levels(want, have, bases);
  if (depth !== null) return { ok: true, reason: '', append: false, mapped: depth > 0 };
  const helpers = catalogue.converters.filter(
    (one) => fits(one.from, have, bases) && fits(want, one.to, bases),
  );
  const kinds = new Set(helpers.map((one) => one.node));
  const reason = `${describe(have)} does not fit; ${describe(want)} is wanted`;
  return kinds.size === 1 ? { ...refuse(reason), converter: helpers[0] } : refuse(reason);
}

/** Whether a node could take a wire of this shape, or feed an input of that one: by which port. */
export function entrance(def: Def, have: Shape, catalogue: Catalogue): string | undefined {
  const bases = basesOf(catalogue);
  const ports = [...def.ports.filter((port) => port.required), ...def.ports.filter((port) => !port.required)];
  const exact = ports.find((port) => port.shape !== 'any' && levels(port.shape, have, bases) === 0);
  if (exact) return exact.name;
  const near = ports.find((port) => judgeShapes(port.shape, have, catalogue).ok);
  if (near) return near.name;
  return def.settings.find((one) => one.shape !== 'any' && fits(one.shape, have, bases))?.name;
}

export function exit(def: Def, want: Shape, catalogue: Catalogue): string | undefined {
  const outputs = def.outputs.filter((output) => judgeShapes(want, output.shape, catalogue).ok);
  return (outputs.find((output) => output.shape !== 'any') ?? outputs[0])?.name;
}

/** How switched-off nodes are led around: by type. */
export function judgeOff(catalogue: Catalogue, defOf: DefOf): Judge {
  const bases = basesOf(catalogue);
  return {
    stands(type, output, wired) {
      const def = defOf(type);
      const out = def && outputOf(def, output);
      if (!def || !out) return undefined;
      return def.ports.find(
        (port) => wired.includes(port.name) && levels(port.shape, out.shape, bases) !== null,
      )?.name;
    },
    needs(type, input) {
      return defOf(type)?.ports.find((port) => port.name === input)?.required ?? false;
    },
  };
}

/** Required ports that nothing is wired into. */
export function missingPorts(def: Def, entry: NodeEntry): string[] {
  return def.ports
    .filter((port) => port.required && own(entry.inputs, port.name) === undefined)
    .map((port) => port.name);
}
