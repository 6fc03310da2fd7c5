/** A model by name: embedded, on disk or in the catalogue; any other name may be typed. */

import { useId } from 'react';
import { useCatalogue } from '../store/catalogue';
import type { ControlProps } from './Control';

export function ModelControl({ value, onChange, label, setting }: ControlProps) {
  const models = useCatalogue((state) => state.models);
  const id = useId();
  return (
    <>
      <input
        className="control model nodrag"
        type="text"
        list={id}
        aria-label={label}
        value={typeof value === 'string' ? value : ''}
        placeholder={setting.optional ? 'auto' : 'name of a model'}
        onChange={(event) =>
          onChange(event.target.value === '' && setting.optional ? null : event.target.value)
        }
      />
      <datalist id={id}>
        {models.map((model) => (
          <option key={model.group + model.id} value={model.id}>
            {`${model.group} ${model.about}`}
          </option>
        ))}
      </datalist>
    </>
  );
}
