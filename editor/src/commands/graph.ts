/** Putting nodes onto the canvas. */

import { connect } from '../document/wires';
import { addNode, freeId, type Point } from '../document/nodes';
import type { NodeEntry } from '../document/types';
import { wireText } from '../canvas/flow';
import { shapeAt, wireAt } from '../canvas/connect';
import { focusNode } from '../canvas/stage';
import { entrance, exit } from '../schema/judge';
import { inputShape, type Def } from '../schema/defs';
import { judgeShapes } from '../schema/judge';
import { defOf, useCatalogue } from '../store/catalogue';
import { activeDoc, edit, select } from '../store/tabs';
import type { PaletteRequest } from '../store/ui';

export function entryOf(type: string, at: Point): NodeEntry {
  const version = defOf(type)?.version;
  return {
    type,
    ...(version && version > 1 && { version }),
    ui: { x: Math.round(at.x), y: Math.round(at.y) },
  };
}

/** Add a node of a type. Gives its id. */
export function placeNode(type: string, at: Point): string {
  const id = freeId(activeDoc(), type);
  edit('add node', (doc) => addNode(doc, id, entryOf(type, at)));
  select([id]);
  focusNode(id);
  return id;
}

/** Split `node.port` of a palette's request. */
function sourceOf(request: PaletteRequest): { node: string; output: string } | undefined {
  const dot = request.from?.lastIndexOf('.') ?? -1;
  return request.from === undefined
    ? undefined
    : { node: request.from.slice(0, dot), output: request.from.slice(dot + 1) };
}

/** The port of a type that the request's wire would go to or come from; undefined if it does not fit. */
export function portFor(def: Def, request: PaletteRequest): string | undefined {
  const { catalogue } = useCatalogue.getState();
  const source = sourceOf(request);
  if (source !== undefined) {
    const have = shapeAt(source.node, source.output);
    return have === undefined ? undefined : entrance(def, have, catalogue);
  }
  if (request.into === undefined) return undefined;
  const target = defOf(activeDoc().nodes[request.into.node]?.type ?? '');
  const want = target && inputShape(target, request.into.input);
  return want === undefined ? undefined : exit(def, want, catalogue);
}

/** Add the node that was chosen in the palette, with the wire that was dropped into the void. */
export function placeFromPalette(type: string, request: PaletteRequest): void {
  const def = defOf(type);
  const port = def && portFor(def, request);
  const source = sourceOf(request);
  const id = freeId(activeDoc(), type);
  const at =
    source === undefined && request.into
      ? { x: request.at.x - 252, y: request.at.y - 50 }
      : { x: request.at.x, y: request.at.y - 50 };
  edit('add node', (doc) => {
    const next = addNode(doc, id, entryOf(type, port === undefined ? request.at : at));
    if (port === undefined) return next;
    if (source !== undefined) {
      const found = wireAt(doc, source.node, source.output);
      return found ? connect(next, found.wire, id, port, { via: found.via }) : next;
    }
    if (request.into === undefined || def === undefined) return next;
    const { node, input } = request.into;
    const target = defOf(doc.nodes[node]?.type ?? '');
    const want = target && inputShape(target, input);
    const have = def.outputs.find((output) => output.name === port)?.shape;
    const append =
      want !== undefined &&
      have !== undefined &&
      judgeShapes(want, have, useCatalogue.getState().catalogue).append;
    return connect(next, wireText(def, id, port), node, input, { append });
  });
  select([id]);
  focusNode(id);
}
