/** One setting with its label and control, on a node or in the inspector. A wired one shows where its value comes from. */

import { memo } from 'react';
import { setParam, unsetParam } from '../document/nodes';
import { own } from '../document/records';
import type { NodeEntry } from '../document/types';
import { listOf } from '../document/wires';
import { Icon } from '../parts/icons';
import { bare, label } from '../parts/text';
import type { Setting } from '../schema/defs';
import { problemOf } from '../schema/settings';
import { useTabRun } from '../canvas/state';
import { faultAt } from '../store/runs';
import { edit } from '../store/tabs';
import { Control } from './Control';

interface Props {
  readonly node: string;
  readonly entry: NodeEntry;
  readonly setting: Setting;
  readonly place: 'node' | 'inspector';
}

export const FieldRow = memo(function FieldRow({ node, entry, setting, place }: Props) {
  const { name } = setting;
  const wires = own(entry.inputs, name);
  const given = own(entry.params, name);
  const isSet = entry.params !== undefined && Object.hasOwn(entry.params, name);
  const value = isSet ? given : setting.initial;
  const told = useTabRun((run) => faultAt(run, node, name));
  const own_ = wires === undefined && isSet && value !== null ? problemOf(setting.schema, value) : '';
  const problem = told || own_;
  const tall = setting.widget === 'textarea' && wires === undefined;
  const names = [
    'field',
    place === 'node' ? 'on-node' : 'in-inspector',
    tall ? 'tall' : '',
    isSet ? 'set' : '',
    problem ? 'wrong' : '',
  ];
  const set = (next: unknown): void =>
    edit(`set ${name}`, (doc) => setParam(doc, node, name, next), `set ${node}.${name}`);
  return (
    <div className={names.filter(Boolean).join(' ')} title={problem || bare(setting.doc) || undefined}>
      <span className="field-label" id={`${place}-${node}-${name}`}>
        {label(name)}
        {isSet && place === 'inspector' && (
          <button
            type="button"
            className="reset"
            aria-label={`${name} back to its default`}
            title="back to its default"
            onClick={() => edit(`reset ${name}`, (doc) => unsetParam(doc, node, name))}
          >
            <Icon name="reset" size={11} />
          </button>
        )}
      </span>
      {wires !== undefined ? (
        <span className="field-wired" title={listOf(wires).join(', ')}>
          {listOf(wires).join(', ')}
        </span>
      ) : (
        <Control setting={setting} value={value} onChange={set} label={`${name} of ${node}`} node={node} />
      )}
      {problem !== '' && (
        <span className="field-problem" role="alert">
          {problem}
        </span>
      )}
    </div>
  );
});
