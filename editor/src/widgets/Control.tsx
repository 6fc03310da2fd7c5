/** The control of a setting, chosen by its schema. One file for each kind that is more than an input. */

import type { Setting } from '../schema/defs';
import { openDialog } from '../store/ui';
import { Icon } from '../parts/icons';
import { FileControl } from './FileControl';
import { ModelControl } from './ModelControl';
import { NumberControl } from './NumberControl';
import { SeedControl } from './SeedControl';

export interface ControlProps {
  readonly setting: Setting;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
  /** What a screen reader says. */
  readonly label: string;
  readonly node?: string;
  /** In the app view controls are roomy. */
  readonly roomy?: boolean;
}

export function Control(props: ControlProps) {
  switch (props.setting.widget) {
    case 'number':
    case 'integer':
      return <NumberControl {...props} />;
    case 'seed':
      return <SeedControl {...props} />;
    case 'switch':
      return <SwitchControl {...props} />;
    case 'choice':
      return <ChoiceControl {...props} />;
    case 'textarea':
      return <AreaControl {...props} />;
    case 'text':
      return <TextControl {...props} />;
    case 'colour':
      return <ColourControl {...props} />;
    case 'file':
      return <FileControl {...props} />;
    case 'model':
      return <ModelControl {...props} />;
    default:
      return <JsonControl {...props} />;
  }
}

const text = (value: unknown): string => (value === null || value === undefined ? '' : String(value));

function AreaControl({ setting, value, onChange, label, roomy }: ControlProps) {
  return (
    <textarea
      className="control area nodrag nowheel"
      aria-label={label}
      value={text(value)}
      rows={roomy ? 4 : 3}
      maxLength={setting.schema.maxLength}
      spellCheck
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

function TextControl({ setting, value, onChange, label }: ControlProps) {
  const empty = setting.optional ? null : '';
  return (
    <input
      className="control nodrag"
      type="text"
      aria-label={label}
      value={text(value)}
      placeholder={setting.optional ? 'auto' : ''}
      maxLength={setting.schema.maxLength}
      onChange={(event) => onChange(event.target.value === '' ? empty : event.target.value)}
    />
  );
}

function SwitchControl({ setting, value, onChange, label }: ControlProps) {
  if (setting.optional) {
    return (
      <select
        className="control nodrag"
        aria-label={label}
        value={text(value)}
        onChange={(event) => onChange(event.target.value === '' ? null : event.target.value === 'true')}
      >
        <option value="">auto</option>
        <option value="true">yes</option>
        <option value="false">no</option>
      </select>
    );
  }
  return (
    <input
      className="switch nodrag"
      type="checkbox"
      role="switch"
      aria-label={label}
      checked={value === true}
      onChange={(event) => onChange(event.target.checked)}
    />
  );
}

function ChoiceControl({ setting, value, onChange, label }: ControlProps) {
  const choices = setting.schema.enum ?? [];
  const place = choices.indexOf(value);
  return (
    <select
      className="control nodrag"
      aria-label={label}
      value={value === null || value === undefined ? '' : place < 0 ? 'other' : String(place)}
      onChange={(event) => onChange(event.target.value === '' ? null : choices[Number(event.target.value)])}
    >
      {(setting.optional || value === undefined) && (
        <option value="">{setting.optional ? 'auto' : 'choose'}</option>
      )}
      {place < 0 && value !== null && value !== undefined && <option value="other">{text(value)}</option>}
      {choices.map((choice, index) => (
        <option key={String(choice)} value={index}>
          {choice === '' ? 'none' : text(choice).replaceAll('_', ' ')}
        </option>
      ))}
    </select>
  );
}

function ColourControl({ value, onChange, label }: ControlProps) {
  return (
    <span className="control colour nodrag">
      <input
        type="color"
        aria-label={label}
        value={text(value) || '#000000'}
        onChange={(event) => onChange(event.target.value)}
      />
      <span>{text(value)}</span>
    </span>
  );
}

/** Lists, objects and all else: shown short, edited in a window. */
function JsonControl({ setting, value, onChange, label }: ControlProps) {
  const short =
    value === null || value === undefined ? (setting.optional ? 'auto' : 'empty') : JSON.stringify(value);
  return (
    <button
      type="button"
      className="control structure nodrag"
      aria-label={`${label}: ${short}`}
      onClick={() => openDialog('structure', { setting, value, onChange, label })}
    >
      <span>{short}</span>
      <Icon name="expand" size={12} />
    </button>
  );
}
