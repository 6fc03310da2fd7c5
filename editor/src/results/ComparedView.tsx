/** Two pictures or clips: one uncovered by a wipe, both side by side, or what differs. Clips run in step. */

import { useEffect, useRef, useState, type CSSProperties, type PointerEvent, type RefObject } from 'react';
import { Button } from '../parts/Button';
import { keepStep, leaderOf, lengthOf } from './keepStep';
import type { Picture } from './sides';

const WAYS = { wipe: 'Wipe', beside: 'Side by side', difference: 'Difference' } as const;
type Way = keyof typeof WAYS;

interface Props {
  readonly left: Picture;
  readonly right: Picture;
  readonly onSwap: () => void;
}

export function ComparedView({ left, right, onSwap }: Props) {
  const [way, setWay] = useState<Way>('wipe');
  const [share, setShare] = useState(50);
  const [ratio, setRatio] = useState(16 / 9);
  const box = useRef<HTMLDivElement>(null);
  const moving = left.kind === 'video' || right.kind === 'video';
  const wipe = (event: PointerEvent): void => {
    const field = box.current?.getBoundingClientRect();
    if (way !== 'wipe' || field === undefined || event.buttons !== 1) return;
    setShare(Math.max(0, Math.min(100, (100 * (event.clientX - field.left)) / field.width)));
  };
  return (
    <div className="compared" style={{ '--share': `${share}%`, '--ratio': ratio } as CSSProperties}>
      <div className="panel-tools">
        <div className="segmented" role="group" aria-label="way to compare">
          {Object.entries(WAYS).map(([id, title]) => (
            <button key={id} type="button" aria-pressed={way === id} onClick={() => setWay(id as Way)}>
              {title}
            </button>
          ))}
        </div>
        <Button icon="swap" label="swap the two" onClick={onSwap} />
      </div>
      <div ref={box} className={`pictures ${way}`} onPointerDown={wipe} onPointerMove={wipe}>
        <div className="under">
          <Medium key={left.url} picture={left} label="left" onRatio={setRatio} />
          <span className="side-mark">left</span>
        </div>
        <div className="over">
          <Medium key={right.url} picture={right} label="right" />
          <span className="side-mark">right</span>
        </div>
      </div>
      {way === 'wipe' && (
        <input
          type="range"
          min={0}
          max={100}
          step={1}
          value={Math.round(share)}
          aria-label="wipe between the two"
          onChange={(event) => setShare(Number(event.target.value))}
        />
      )}
      {moving && <Transport key={left.url + right.url} box={box} fps={Math.max(left.fps, right.fps)} />}
    </div>
  );
}

interface MediumProps {
  readonly picture: Picture;
  readonly label: string;
  readonly onRatio?: (ratio: number) => void;
}

function Medium({ picture, label, onRatio }: MediumProps) {
  const tell = (width: number, height: number): void => {
    if (width > 0 && height > 0) onRatio?.(width / height);
  };
  return picture.kind === 'image' ? (
    <img
      className="media"
      src={picture.url}
      alt={`the ${label} one`}
      draggable={false}
      onLoad={({ currentTarget: one }) => tell(one.naturalWidth, one.naturalHeight)}
    />
  ) : (
    <video
      className="media"
      src={picture.url}
      autoPlay
      muted
      playsInline
      preload="auto"
      aria-label={`the ${label} one`}
      onLoadedMetadata={({ currentTarget: one }) => tell(one.videoWidth, one.videoHeight)}
    />
  );
}

/** Plays and holds both, and goes to a place in both. */
function Transport({ box, fps }: { box: RefObject<HTMLDivElement | null>; fps: number }) {
  const [held, setHeld] = useState(false);
  const place = useRef<HTMLInputElement>(null);
  const clips = (): HTMLVideoElement[] => [...(box.current?.querySelectorAll('video') ?? [])];
  useEffect(() => {
    hold(false);
    let frame = 0;
    const step = (): void => {
      const found = clips();
      const leader = leaderOf(found);
      keepStep(found);
      if (place.current !== null && leader !== undefined) {
        place.current.max = String(lengthOf(leader));
        place.current.value = String(leader.currentTime);
      }
      frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, []);
  const hold = (on: boolean): void => {
    setHeld(on);
    const leader = leaderOf(clips());
    if (on) leader?.pause();
    else void leader?.play().catch(() => undefined);
  };
  return (
    <div className="transport">
      <Button
        icon={held ? 'play' : 'pause'}
        label={held ? 'play both' : 'hold both'}
        onClick={() => hold(!held)}
      />
      <input
        ref={place}
        type="range"
        min={0}
        step={1 / fps}
        defaultValue={0}
        aria-label="place in both"
        onInput={({ currentTarget }) => {
          const leader = leaderOf(clips());
          hold(true);
          if (leader !== undefined) leader.currentTime = Number(currentTarget.value);
        }}
      />
    </div>
  );
}
