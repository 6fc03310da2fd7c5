/** What a prompt that is put together says as text: the server is asked for the small graph that leads to it. */

import { useEffect, useState } from 'react';
import { Refusal, socket } from '../connection/socket';
import { addNode, freeId } from '../document/nodes';
import type { NodeEntry, Workflow } from '../document/types';
import { reach } from '../document/wires';
import { runnable } from './session';

/** The node that writes a structured prompt as a text. */
export const WRITER = 'prompts/render';

export interface Caption {
  readonly text: string;
  readonly negative: string;
  readonly leftOut: readonly string[];
  /** Why there is none. */
  readonly problem: string;
}

const PAUSE_MS = 200;

/** The text of the prompt that a node makes, in a style; asked anew shortly after each change. */
export function useCaption(doc: Workflow, node: string, style: string): Caption | undefined {
  const [caption, setCaption] = useState<Caption>();
  const upstream = JSON.stringify(partUpTo(doc, node));
  useEffect(() => {
    let wanted = true;
    const timer = setTimeout(() => {
      void ask(JSON.parse(upstream) as Workflow, node, style).then((told) => wanted && setCaption(told));
    }, PAUSE_MS);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [upstream, node, style]);
  return caption;
}

/** A node with all that leads to it, as a workflow. */
function partUpTo(doc: Workflow, node: string): Workflow {
  const ids = reach(doc, [node], 'up');
  const nodes = Object.entries(doc.nodes).filter(([id]) => ids.has(id));
  const plain = nodes.map(([id, { ui, ...entry }]): [string, NodeEntry] => [
    id,
    ui?.mode === undefined ? entry : { ...entry, ui: { mode: ui.mode } },
  ]);
  return { graphflow: 1, nodes: Object.fromEntries(plain) };
}

async function ask(doc: Workflow, node: string, style: string): Promise<Caption> {
  const id = freeId(doc, 'caption');
  const writer: NodeEntry = { type: WRITER, params: { style }, inputs: { prompt: node } };
  const document = runnable(addNode(doc, id, writer)) as unknown as Record<string, unknown>;
  const none = { text: '', negative: '', leftOut: [] };
  try {
    const told = await socket.ask({ type: 'explain', document, targets: [id] }, 'explained');
    const found = told.values[id];
    if (found !== undefined)
      return {
        text: String(found.text ?? ''),
        negative: String(found.negative ?? ''),
        leftOut: Array.isArray(found.left_out) ? found.left_out.map(String) : [],
        problem: '',
      };
    const failed = told.nodes.find((one) => one.state === 'failed' && one.node !== id);
    return { ...none, problem: failed?.reasons[0] ?? 'a part of it is known only when it has run' };
  } catch (error) {
    const refusal = error instanceof Refusal ? (error.problems[0]?.message ?? error.message) : String(error);
    return { ...none, problem: refusal };
  }
}
