/** A seed: a number, a dice that throws another, and a lock. Unlocked and empty, each run draws one. */

import { Button } from '../parts/Button';
import type { ControlProps } from './Control';
import { Typed } from './NumberControl';

/** Within 2^32, so that it can be read and typed; all of 0 to 2^53 - 1 is allowed. */
function thrown(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

export function SeedControl({ value, onChange, label }: ControlProps) {
  const fixed = typeof value === 'number';
  return (
    <span className="control number seed nodrag">
      {fixed ? (
        <Typed label={label} value={value} whole optional step={1} onChange={onChange} />
      ) : (
        <span className="drawn">new each run</span>
      )}
      <Button icon="dice" size={13} label={`${label}: throw the dice`} onClick={() => onChange(thrown())} />
      <Button
        icon={fixed ? 'lock' : 'unlock'}
        size={13}
        label={fixed ? `${label}: draw a new one each run` : `${label}: keep one seed`}
        pressed={fixed}
        onClick={() => onChange(fixed ? null : thrown())}
      />
    </span>
  );
}
