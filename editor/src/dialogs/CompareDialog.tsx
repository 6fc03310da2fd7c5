/** Any two pictures or clips compared: of one node or two, as they are now or were in earlier runs. */

import { useEffect, useMemo, useState } from 'react';
import { runDocument } from '../connection/http';
import type { Difference } from '../connection/messages';
import { socket } from '../connection/socket';
import type { Workflow } from '../document/types';
import { DifferenceView } from '../panels/DifferenceView';
import { Window } from '../parts/Window';
import { ComparedView } from '../results/ComparedView';
import { choicesOf, partnerOf, picturesOf, type Choice, type Picture, type Side } from '../results/sides';
import { newest, spots, type SpotChoice } from '../results/spots';
import { useEarlier } from '../results/useEarlier';
import { useResult } from '../results/useResult';

interface Props {
  readonly left: Side;
  /** Without it, what comes before the left one is taken, or else another node's. */
  readonly right?: Side;
}

interface Chosen {
  readonly choices: readonly Choice[];
  readonly pictures: readonly Picture[];
  readonly picture: Picture | undefined;
  readonly state: 'loading' | 'gone' | 'there';
}

const NONE: Side = { tab: '', node: '', key: '' };

export function CompareDialog({ left, right }: Props) {
  const nodes = useMemo(spots, []);
  const [sides, setSides] = useState<readonly [Side, Side]>([left, right ?? NONE]);
  const [places, setPlaces] = useState<readonly [number, number]>([0, 0]);
  const [one, other] = [useChosen(sides[0], places[0], nodes), useChosen(sides[1], places[1], nodes)];
  const earlier = useEarlier(sides[0]);
  useEffect(() => {
    if (sides[1].node !== '' || earlier === undefined) return;
    setSides([sides[0], partnerOf(sides[0], one.choices, newest(nodes)) ?? sides[0]]);
  }, [earlier]);
  const put = (at: 0 | 1, side: Side, place = 0): void => {
    setSides(at === 0 ? [side, sides[1]] : [sides[0], side]);
    setPlaces(at === 0 ? [place, places[1]] : [places[0], place]);
  };
  const swap = (): void => {
    setSides([sides[1], sides[0]]);
    setPlaces([places[1], places[0]]);
  };
  const picker = (at: 0 | 1, chosen: Chosen) => (
    <Picker
      name={at === 0 ? 'left' : 'right'}
      side={sides[at]}
      place={places[at]}
      chosen={chosen}
      nodes={nodes}
      onPut={(side, place) => put(at, side, place)}
    />
  );
  return (
    <Window title="Compare" wide>
      <div className="pickers">
        {picker(0, one)}
        {picker(1, other)}
      </div>
      {one.picture && other.picture ? (
        <ComparedView left={one.picture} right={other.picture} onSwap={swap} />
      ) : (
        <p className="empty">{reason(one, other)}</p>
      )}
      <Otherwise left={runOfSide(one, sides[0])} right={runOfSide(other, sides[1])} />
    </Window>
  );
}

function reason(one: Chosen, other: Chosen): string {
  const both = [one.state, other.state];
  if (both.includes('loading')) return '...';
  return both.includes('gone')
    ? 'one of them is not kept any more; run again to see it'
    : 'one of them has no picture';
}

const runOfSide = (chosen: Chosen, side: Side): string =>
  chosen.choices.find((one) => one.key === side.key)?.run ?? '';

function useChosen(side: Side, place: number, nodes: readonly SpotChoice[]): Chosen {
  const keys = nodes.find((one) => one.tab === side.tab && one.node === side.node)?.keys ?? {};
  const earlier = useEarlier(side);
  const choices = choicesOf(keys, earlier ?? [], side.key);
  const key = side.key || choices[0]?.key || '';
  const found = useResult(key === '' ? undefined : key);
  const pictures = typeof found === 'object' ? picturesOf(found) : [];
  const waits = found === 'loading' || (found === undefined && (key !== '' || earlier === undefined));
  return {
    choices,
    pictures,
    picture: pictures[Math.min(place, pictures.length - 1)],
    state: waits ? 'loading' : typeof found === 'object' ? 'there' : 'gone',
  };
}

interface PickerProps {
  readonly name: string;
  readonly side: Side;
  readonly place: number;
  readonly chosen: Chosen;
  readonly nodes: readonly SpotChoice[];
  readonly onPut: (side: Side, place?: number) => void;
}

/** Which node, which of its results, and which picture in that. */
function Picker({ name, side, place, chosen, nodes, onPut }: PickerProps) {
  const groups = [...new Set(nodes.map((one) => one.group))];
  const at = nodes.findIndex((one) => one.tab === side.tab && one.node === side.node);
  return (
    <div className="picker" role="group" aria-label={name}>
      <select
        aria-label={`node of the ${name} one`}
        value={at}
        onChange={(event) => {
          const to = nodes[Number(event.target.value)];
          if (to) onPut({ tab: to.tab, node: to.node, key: Object.values(to.keys)[0] ?? '' });
        }}
      >
        {at < 0 && <option value={-1}>...</option>}
        {groups.map((group) => (
          <optgroup key={group} label={group}>
            {nodes.map((one, index) =>
              one.group === group ? (
                <option key={`${one.tab} ${one.node}`} value={index}>
                  {one.title}
                </option>
              ) : null,
            )}
          </optgroup>
        ))}
      </select>
      <select
        aria-label={`result of the ${name} one`}
        value={side.key || chosen.choices[0]?.key}
        disabled={chosen.choices.length === 0}
        onChange={(event) => onPut({ ...side, key: event.target.value })}
      >
        {chosen.choices.length === 0 && <option>none yet</option>}
        {chosen.choices.map((one) => (
          <option key={one.key} value={one.key}>
            {one.label}
          </option>
        ))}
      </select>
      {chosen.pictures.length > 1 && (
        <select
          aria-label={`picture of the ${name} one`}
          value={Math.min(place, chosen.pictures.length - 1)}
          onChange={(event) => onPut(side, Number(event.target.value))}
        >
          {chosen.pictures.map((one, index) => (
            <option key={one.url} value={index}>
              {one.label}
            </option>
          ))}
        </select>
      )}
    </div>
  );
}

/** What the two runs had set otherwise, if they were different runs. */
function Otherwise({ left, right }: { left: string; right: string }) {
  const [difference, setDifference] = useState<Difference>();
  useEffect(() => {
    setDifference(undefined);
    if (left === '' || right === '' || left === right) return;
    let wanted = true;
    compareRuns(left, right).then(
      (told) => wanted && setDifference(told),
      () => undefined, // a run whose document is not kept: the pictures are compared all the same
    );
    return () => {
      wanted = false;
    };
  }, [left, right]);
  return difference === undefined ? null : (
    <section className="otherwise" aria-label="what was set otherwise">
      <h3>From left to right</h3>
      <DifferenceView difference={difference} />
    </section>
  );
}

async function compareRuns(left: string, right: string): Promise<Difference> {
  const [old, now] = await Promise.all([left, right].map(runDocument));
  const plain = (doc: Workflow | undefined) => ({ document: doc as unknown as Record<string, unknown> });
  const told = await socket.ask({ type: 'compare', old: plain(old), new: plain(now) }, 'compared');
  return told.difference;
}
