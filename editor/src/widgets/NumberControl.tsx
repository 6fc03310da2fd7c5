/** A number: typed, stepped with the arrow keys, and drawn with a slider where both ends are known. */

import { useEffect, useState, type KeyboardEvent } from 'react';
import { rangeOf } from '../schema/settings';
import type { ControlProps } from './Control';

export function NumberControl({ setting, value, onChange, label }: ControlProps) {
  const whole = setting.widget === 'integer';
  const range = rangeOf(setting.schema, whole);
  const number = typeof value === 'number' ? value : undefined;
  const share =
    range.slider && number !== undefined
      ? (number - (range.min ?? 0)) / ((range.max ?? 1) - (range.min ?? 0))
      : 0;
  return (
    <span
      className={`control number nodrag ${range.slider ? 'sliding' : ''} ${number === undefined ? 'unset' : ''}`}
    >
      {range.slider && (
        <input
          type="range"
          tabIndex={-1}
          aria-label={`${label}, slider`}
          min={range.min}
          max={range.max}
          step={range.step}
          value={number ?? range.min}
          style={{ backgroundSize: `${Math.max(0, Math.min(1, share)) * 100}% 100%` }}
          onChange={(event) => onChange(Number(event.target.value))}
        />
      )}
      <Typed
        label={label}
        value={number}
        whole={whole}
        optional={setting.optional}
        step={range.step}
        onChange={onChange}
      />
    </span>
  );
}

interface TypedProps {
  readonly label: string;
  readonly value: number | undefined;
  readonly whole: boolean;
  readonly optional: boolean;
  readonly step: number;
  readonly onChange: (value: unknown) => void;
}

/** Half-typed numbers ("-", "1e") stay in the box and reach the document when they are whole. */
export function Typed({ label, value, whole, optional, step, onChange }: TypedProps) {
  const [draft, setDraft] = useState<string>();
  useEffect(() => setDraft(undefined), [value]);
  const take = (text: string): void => {
    setDraft(text);
    if (text.trim() === '') {
      if (optional) onChange(null);
      return;
    }
    const number = Number(text);
    if (Number.isFinite(number) && (!whole || Number.isInteger(number))) onChange(number);
  };
  const stepped = (event: KeyboardEvent): void => {
    const way = event.key === 'ArrowUp' ? 1 : event.key === 'ArrowDown' ? -1 : 0;
    if (way === 0) return;
    event.preventDefault();
    const size = step * (event.shiftKey ? 10 : 1);
    onChange(Number(((value ?? 0) + way * size).toFixed(8)));
  };
  return (
    <input
      type="text"
      inputMode="decimal"
      aria-label={label}
      value={draft ?? (value === undefined ? '' : String(value))}
      placeholder={optional ? 'auto' : ''}
      onChange={(event) => take(event.target.value)}
      onBlur={() => setDraft(undefined)}
      onKeyDown={stepped}
    />
  );
}
