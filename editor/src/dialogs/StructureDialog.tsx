/** Structured settings: a form where the schema has properties, rows for lists of plain values, JSON for all else. */

import { useState } from 'react';
import { Button } from '../parts/Button';
import { Window } from '../parts/Window';
import type { Setting } from '../schema/defs';
import { readSetting, type JsonSchema } from '../schema/settings';
import { closeDialog } from '../store/ui';
import { Control } from '../widgets/Control';

interface Props {
  readonly setting: Setting;
  readonly value: unknown;
  readonly label: string;
  readonly onChange: (value: unknown) => void;
}

const PLAIN = ['string', 'number', 'integer', 'boolean'];

export function StructureDialog({ setting, value, label, onChange }: Props) {
  const [now, setNow] = useState<unknown>(
    value ?? (setting.schema.type === 'array' ? [] : setting.schema.type === 'object' ? {} : null),
  );
  const [raw, setRaw] = useState<string>();
  const [problem, setProblem] = useState('');
  const properties = setting.schema.properties;
  const items = setting.schema.items;
  const asRows = Array.isArray(now) && items !== undefined && PLAIN.includes(items.type ?? '');
  const asForm = properties !== undefined && typeof now === 'object' && now !== null && !Array.isArray(now);
  const save = (next: unknown): void => {
    closeDialog();
    onChange(next);
  };
  const submit = (): void => {
    if (raw === undefined) return save(now);
    try {
      save(JSON.parse(raw));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : 'not valid JSON');
    }
  };
  return (
    <Window title={label}>
      {raw === undefined && asForm && (
        <Form
          properties={properties}
          defs={setting.schema.$defs}
          value={now as Record<string, unknown>}
          onChange={setNow}
        />
      )}
      {raw === undefined && asRows && <Rows items={items} value={now} onChange={setNow} />}
      {(raw !== undefined || (!asForm && !asRows)) && (
        <textarea
          className="json"
          rows={14}
          spellCheck={false}
          aria-label={`${label} as JSON`}
          value={raw ?? JSON.stringify(now, null, 2)}
          onChange={(event) => setRaw(event.target.value)}
        />
      )}
      {problem && (
        <p className="notice bad" role="alert">
          {problem}
        </p>
      )}
      <div className="answers">
        <Button label="Use it" tone="primary" onClick={submit}>
          Use it
        </Button>
        {setting.optional && (
          <Button label="Leave it empty" onClick={() => save(null)}>
            Leave it empty
          </Button>
        )}
        {raw === undefined && (asForm || asRows) && (
          <Button label="as JSON" onClick={() => setRaw(JSON.stringify(now, null, 2))}>
            As JSON
          </Button>
        )}
      </div>
    </Window>
  );
}

interface FormProps {
  readonly properties: Readonly<Record<string, JsonSchema>>;
  readonly defs: JsonSchema['$defs'];
  readonly value: Readonly<Record<string, unknown>>;
  readonly onChange: (value: Record<string, unknown>) => void;
}

function Form({ properties, defs, value, onChange }: FormProps) {
  return (
    <div className="structure-form">
      {Object.entries(properties).map(([name, schema]) => {
        const setting: Setting = {
          ...readSetting(name, schema, defs),
          required: false,
          doc: schema.description ?? '',
        };
        return (
          <div key={name} className="app-field">
            <span className="app-label">{name.replaceAll('_', ' ')}</span>
            <Control
              setting={setting}
              value={value[name] ?? setting.initial}
              label={name}
              onChange={(next) => onChange({ ...value, [name]: next })}
            />
          </div>
        );
      })}
    </div>
  );
}

function Rows({
  items,
  value,
  onChange,
}: {
  items: JsonSchema;
  value: readonly unknown[];
  onChange: (value: unknown[]) => void;
}) {
  const setting: Setting = { ...readSetting('item', items), required: true, doc: '' };
  const fresh = items.enum?.[0] ?? { string: '', boolean: false }[items.type ?? ''] ?? items.minimum ?? 0;
  return (
    <ol className="rows">
      {value.map((one, place) => (
        <li key={place}>
          <Control
            setting={setting}
            value={one}
            label={`item ${place + 1}`}
            onChange={(next) => onChange(value.map((old, at) => (at === place ? next : old)))}
          />
          <Button
            icon="close"
            label={`remove item ${place + 1}`}
            onClick={() => onChange(value.filter((_, at) => at !== place))}
          />
        </li>
      ))}
      <li>
        <Button icon="plus" label="add an item" onClick={() => onChange([...value, fresh])}>
          Add
        </Button>
      </li>
    </ol>
  );
}
