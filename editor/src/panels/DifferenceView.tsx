/** How one version of a workflow differs from another, for people. */

import type { Change, Difference } from '../connection/messages';

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function ChangeLine({ name, change }: { name: string; change: Change }) {
  return (
    <li>
      <b>{name}</b> {change.was ? <del>{text(change.old)}</del> : <em>new</em>}{' '}
      {change.stays ? <ins>{text(change.new)}</ins> : <em>gone</em>}
    </li>
  );
}

function lines(record: Readonly<Record<string, Change>>, before = '') {
  return Object.entries(record).map(([name, change]) => (
    <ChangeLine key={before + name} name={before + name} change={change} />
  ));
}

export function DifferenceView({ difference }: { difference: Difference }) {
  const { added, removed, changed, parameters, outputs, layout, name, description } = difference;
  const count = [added, removed, changed, parameters, outputs].reduce(
    (sum, one) => sum + Object.keys(one).length,
    0,
  );
  return (
    <ul className="difference" aria-label="differences">
      {name && <ChangeLine name="name" change={name} />}
      {description && <ChangeLine name="description" change={description} />}
      {Object.entries(added).map(([id, type]) => (
        <li key={`+${id}`}>
          <ins>
            + {id} ({type})
          </ins>
        </li>
      ))}
      {Object.entries(removed).map(([id, type]) => (
        <li key={`-${id}`}>
          <del>
            − {id} ({type})
          </del>
        </li>
      ))}
      {Object.entries(changed).map(([id, one]) => (
        <li key={id}>
          <b>{id}</b>
          <ul>
            {one.type && <ChangeLine name="type" change={one.type} />}
            {one.version && <ChangeLine name="version" change={one.version} />}
            {lines(one.settings)}
            {lines(one.wires, 'wire ')}
          </ul>
        </li>
      ))}
      {lines(parameters, 'parameter ')}
      {lines(outputs, 'output ')}
      {layout && <li className="faint">things were moved</li>}
      {count === 0 && !layout && !name && !description && <li className="faint">nothing differs</li>}
    </ul>
  );
}
