/** A value that is put together from parts, filled in as one form; beside it the text that it becomes. */

import { useState, type ReactNode } from 'react';
import { addPart, removePart, setInPart, standing, type Slot } from '../document/parts';
import { setParam } from '../document/nodes';
import { own } from '../document/records';
import type { NodeEntry } from '../document/types';
import { listOf } from '../document/wires';
import { Button } from '../parts/Button';
import { label } from '../parts/text';
import { Window } from '../parts/Window';
import { useCaption, WRITER } from '../store/caption';
import { defOf, useCatalogue } from '../store/catalogue';
import { edit, useDoc } from '../store/tabs';
import { partsOf, type Part } from '../schema/parts';
import { coreOf } from '../schema/shapes';
import type { Def, Setting } from '../schema/defs';
import { Control } from '../widgets/Control';

export function FormDialog({ node }: { node: string }) {
  const doc = useDoc();
  const catalogue = useCatalogue((state) => state.catalogue);
  const entry = own(doc.nodes, node);
  const def = defOf(entry?.type ?? '');
  if (entry === undefined || def === undefined) return null;
  const texts = def.settings.filter((one) => one.widget === 'textarea');
  const others = def.settings.filter((one) => one.widget !== 'textarea');
  const set = (name: string, value: unknown): void =>
    edit(`set ${name}`, (one) => setParam(one, node, name, value), `set ${node}.${name}`);
  return (
    <Window title={`${def.title} ${node}`} wide>
      <div className="part-form">
        <form aria-label="parts" onSubmit={(event) => event.preventDefault()}>
          <Section title={def.title}>
            <Fields settings={texts} entry={entry} onSet={set} of="" />
          </Section>
          {partsOf(def, catalogue).map((part) => (
            <PartSection key={part.port} node={node} part={part} />
          ))}
          {others.length > 0 && (
            <Section title="More">
              <Fields settings={others} entry={entry} onSet={set} of="" />
            </Section>
          )}
        </form>
        {coreOf(catalogue.defs.get(WRITER)?.ports[0]?.shape ?? 'any') ===
          coreOf(def.outputs[0]?.shape ?? '') && <CaptionView node={node} />}
      </div>
    </Window>
  );
}

function Section({ title, tools, children }: { title: string; tools?: ReactNode; children: ReactNode }) {
  return (
    <fieldset>
      <legend>
        <span>{label(title)}</span> {tools}
      </legend>
      {children}
    </fieldset>
  );
}

/** One part, or each of several; a part that is not there yet is made by the first field that is set. */
function PartSection({ node, part }: { node: string; part: Part }) {
  const doc = useDoc();
  const { maker, many, port } = part;
  const slot: Slot = { node, port, many };
  const there = standing(doc, slot, maker.id);
  const count = many ? there.length : 1;
  const word = maker.title.toLowerCase();
  const text = `Add ${/^[aeiou]/.test(word) ? 'an' : 'a'} ${word}`;
  const add = (
    <Button icon="plus" label={text} onClick={() => edit(`add ${word}`, (one) => addPart(one, slot, maker))}>
      {text}
    </Button>
  );
  return (
    <>
      {Array.from({ length: count }, (_, place) => (
        <PartFields
          key={place}
          slot={slot}
          place={place}
          maker={maker}
          title={many ? `${word} ${place + 1}` : word}
          removable={there[place] !== undefined}
        />
      ))}
      {many && <div className="add-part">{count === 0 ? <Section title={port}>{add}</Section> : add}</div>}
    </>
  );
}

interface PartProps {
  readonly slot: Slot;
  readonly place: number;
  readonly maker: Def;
  readonly title: string;
  readonly removable: boolean;
}

function PartFields({ slot, place, maker, title, removable }: PartProps) {
  const doc = useDoc();
  const there = standing(doc, slot, maker.id)[place];
  const remove = removable && (
    <Button
      icon="close"
      size={13}
      label={`remove ${title}`}
      onClick={() => edit(`remove ${title}`, (one) => removePart(one, slot, place))}
    />
  );
  const set = (name: string, value: unknown): void =>
    edit(
      `set ${name}`,
      (one) => setInPart(one, slot, place, maker, name, value),
      `set ${slot.node}.${slot.port}.${place}.${name}`,
    );
  return (
    <Section title={title} tools={remove}>
      {there !== undefined && !there.own ? (
        <p className="faint">comes from {there.wire}</p>
      ) : (
        <Fields settings={maker.settings} entry={own(doc.nodes, there?.id ?? '')} onSet={set} of={title} />
      )}
    </Section>
  );
}

interface FieldsProps {
  readonly settings: readonly Setting[];
  readonly entry: NodeEntry | undefined;
  readonly onSet: (name: string, value: unknown) => void;
  readonly of: string;
}

function Fields({ settings, entry, onSet, of }: FieldsProps) {
  return (
    <div className="part-fields">
      {settings.map((setting) => {
        const { name } = setting;
        const wires = own(entry?.inputs, name);
        const given = entry?.params !== undefined && Object.hasOwn(entry.params, name);
        return (
          <div key={name} className="app-field" title={setting.doc || undefined}>
            <span className="app-label">{label(name)}</span>
            {wires !== undefined ? (
              <span className="field-wired">{listOf(wires).join(', ')}</span>
            ) : (
              <Control
                setting={setting}
                value={given ? own(entry?.params, name) : setting.initial}
                label={of === '' ? label(name) : `${label(name)} of ${of}`}
                onChange={(next) => onSet(name, next)}
              />
            )}
          </div>
        );
      })}
    </div>
  );
}

/** The prompt as a model family reads it. */
function CaptionView({ node }: { node: string }) {
  const doc = useDoc();
  const styles = defOf(WRITER)?.settings.find((one) => one.name === 'style');
  const writer = Object.values(doc.nodes).find(
    (one) => one.type === WRITER && own(one.inputs, 'prompt') === node,
  );
  const [style, setStyle] = useState(String(own(writer?.params, 'style') ?? styles?.initial ?? ''));
  const caption = useCaption(doc, node, style);
  return (
    <aside className="caption" aria-label="caption">
      <div className="app-field">
        <span className="app-label">Caption in the style of</span>
        {styles && (
          <Control
            setting={styles}
            value={style}
            label="style of the caption"
            onChange={(one) => setStyle(String(one))}
          />
        )}
      </div>
      <div aria-live="polite">
        {caption?.problem ? (
          <p className="notice bad">{caption.problem}</p>
        ) : (
          <p className="caption-text" data-testid="caption">
            {caption === undefined ? '...' : caption.text || 'nothing is said yet'}
          </p>
        )}
        {caption?.negative && <p className="faint">not: {caption.negative}</p>}
        {caption !== undefined && caption.leftOut.length > 0 && (
          <p className="faint">not said in this style: {caption.leftOut.map(label).join(', ')}</p>
        )}
      </div>
    </aside>
  );
}
