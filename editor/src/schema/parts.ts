/**
 * Values that are put together from parts, such as a prompt from subjects, a shot and the light: a small pure node takes the
 * parts, others make them from settings alone. Together they can be filled in as one form.
 */

import type { Catalogue, Def } from './defs';
import { coreOf, itemShapes, type Shape } from './shapes';

export interface Part {
  /** The port that takes it. */
  readonly port: string;
  readonly doc: string;
  /** The one type of node that makes it. */
  readonly maker: Def;
  /** The port takes several. */
  readonly many: boolean;
}

const LEAST = 2;

/** The parts of what a node puts together; none if it is not such a node. */
export function partsOf(def: Def | undefined, catalogue: Catalogue): Part[] {
  if (def === undefined || !def.fold) return [];
  const found = def.ports.flatMap((port): Part[] => {
    const [item] = itemShapes(port.shape);
    const maker = makerOf(item ?? port.shape, catalogue);
    return maker ? [{ port: port.name, doc: port.doc, maker, many: item !== undefined }] : [];
  });
  return found.length >= LEAST ? found : [];
}

/** The only pure node without ports that makes a value of a type; plain numbers and texts are no parts. */
function makerOf(shape: Shape, catalogue: Catalogue): Def | undefined {
  const type = coreOf(shape);
  if (!catalogue.types.get(type)?.bases.includes('Value')) return undefined;
  const makers = [...catalogue.defs.values()].filter(
    (one) => one.fold && one.ports.length === 0 && one.outputs.length === 1 && one.outputs[0]?.shape === type,
  );
  return makers.length === 1 ? makers[0] : undefined;
}
