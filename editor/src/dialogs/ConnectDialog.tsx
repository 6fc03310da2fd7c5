/** Wires by keyboard: choose a port of the node, then one of all ports that fit it, or a wire to take away. */

import { useState } from 'react';
import { make, shapeAt, verdictOf } from '../canvas/connect';
import { titleOf } from '../document/nodes';
import { disconnect, links, split, type Link } from '../document/wires';
import { Button } from '../parts/Button';
import { search } from '../parts/fuzzy';
import { label } from '../parts/text';
import { Window } from '../parts/Window';
import { typeColor } from '../schema/colors';
import { coreOf, describe, type Shape } from '../schema/shapes';
import { inputShape } from '../schema/defs';
import { defOf } from '../store/catalogue';
import { activeDoc, edit } from '../store/tabs';
import { closeDialog } from '../store/ui';

interface Props {
  readonly node: string;
  readonly port?: string;
  readonly side?: 'source' | 'target';
}

interface Port {
  readonly node: string;
  readonly name: string;
  readonly side: 'source' | 'target';
  readonly shape: Shape;
  readonly text: string;
}

function portsOf(node: string, side?: 'source' | 'target'): Port[] {
  const entry = activeDoc().nodes[node];
  const def = entry && defOf(entry.type);
  if (def === undefined) return [];
  const title = titleOf(entry, def.title);
  const one = (name: string, way: Port['side'], shape: Shape): Port => ({
    node,
    name,
    side: way,
    shape,
    text: `${title}: ${name === 'out' ? describe(shape) : label(name)}`,
  });
  return [
    ...(side === 'source'
      ? []
      : [...def.ports, ...def.settings].map((port) => one(port.name, 'target', port.shape))),
    ...(side === 'target'
      ? []
      : def.outputs.map((output) => one(output.name, 'source', shapeAt(node, output.name) ?? output.shape))),
  ];
}

/** The wires that end at a port. */
function wiresOf({ node, name, side }: Port): Link[] {
  const doc = activeDoc();
  const sole = defOf(doc.nodes[node]?.type ?? '')?.outputs[0]?.name;
  return [...links(doc)].filter((link) => {
    if (side === 'target') return link.node === node && link.input === name;
    const from = split(link.from);
    return from.node === node && (from.output ?? sole) === name;
  });
}

const endsOf = (a: Port, b: Port) => {
  const [out, into] = a.side === 'source' ? [a, b] : [b, a];
  return { source: out.node, output: out.name, target: into.node, input: into.name };
};

export function ConnectDialog({ node, port, side }: Props) {
  const given =
    port === undefined || side === undefined
      ? undefined
      : portsOf(node, side).find((one) => one.name === port);
  const [from, setFrom] = useState<Port | undefined>(given);
  const [query, setQuery] = useState('');
  const choices =
    from === undefined
      ? [...portsOf(node, 'source'), ...portsOf(node, 'target')]
      : Object.keys(activeDoc().nodes)
          .filter((id) => id !== node)
          .flatMap((id) => portsOf(id, from.side === 'source' ? 'target' : 'source'))
          .filter((one) => {
            const def = defOf(activeDoc().nodes[one.node]?.type ?? '');
            const verdict = verdictOf(endsOf(from, one));
            return (
              (verdict.ok || verdict.converter !== undefined) &&
              !(
                one.side === 'target' &&
                def &&
                inputShape(def, one.name) === 'any' &&
                def.ports.every((p) => p.name !== one.name)
              )
            );
          });
  const found = search(query, choices, (one) => [one.text, one.node, describe(one.shape)]);
  const choose = (one: Port): void => {
    if (from === undefined) {
      setFrom(one);
      setQuery('');
      return;
    }
    closeDialog();
    make(endsOf(from, one));
  };
  return (
    <Window title={from === undefined ? 'Which port?' : `Connect ${from.text} to`}>
      {from !== undefined && <Wired port={from} />}
      <input
        data-first
        type="search"
        aria-label="search ports"
        placeholder="search ports"
        value={query}
        onChange={(event) => setQuery(event.target.value)}
      />
      <ul className="ports-list" aria-label="ports">
        {found.map((one) => (
          <li key={`${one.node} ${one.side} ${one.name}`}>
            <button type="button" onClick={() => choose(one)}>
              <span className="dot" aria-hidden="true" style={{ background: typeColor(coreOf(one.shape)) }} />
              <span>{one.text}</span>
              <small>
                {one.side === 'source' ? 'output' : 'input'} · {one.node}
              </small>
            </button>
          </li>
        ))}
        {found.length === 0 && <li className="empty">no port fits</li>}
      </ul>
    </Window>
  );
}

function Wired({ port }: { port: Port }) {
  const wires = wiresOf(port);
  if (wires.length === 0) return null;
  const takeAway = ({ node, input, index }: Link): void => {
    closeDialog();
    edit('disconnect', (doc) => disconnect(doc, node, input, index));
  };
  return (
    <ul className="wired-list" aria-label="wires">
      {wires.map((wire) => (
        <li key={`${wire.node} ${wire.input} ${wire.index}`}>
          <code>
            {wire.from} → {wire.node}.{wire.input}
          </code>
          <Button
            label={`take away the wire from ${wire.from} to ${wire.node}.${wire.input}`}
            onClick={() => takeAway(wire)}
          >
            Take away
          </Button>
        </li>
      ))}
    </ul>
  );
}
