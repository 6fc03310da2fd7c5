/** A model by name; a window shows those that are embedded, on disk or in the catalogue. */

import { Button } from '../parts/Button';
import { openDialog } from '../store/ui';
import type { ControlProps } from './Control';

export function ModelControl({ value, onChange, label, setting }: ControlProps) {
  return (
    <span className="control number model nodrag">
      <input
        type="text"
        aria-label={label}
        value={typeof value === 'string' ? value : ''}
        placeholder={setting.optional ? 'auto' : 'name of a model'}
        onChange={(event) =>
          onChange(event.target.value === '' && setting.optional ? null : event.target.value)
        }
      />
      <Button
        icon="search"
        size={13}
        label={`${label}: choose a model`}
        onClick={() => openDialog('models', { value, onChange })}
      />
    </span>
  );
}
