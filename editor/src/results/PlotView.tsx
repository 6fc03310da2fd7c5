/** Curves: one at a time on a node; large, all of them with their numbers. */

import { useState, type PointerEvent } from 'react';
import type { Series, Shown } from '../connection/messages';
import { drawn, figure, inWords, pointOf, type Frame } from './curve';

const SMALL: Frame = { width: 232, height: 112, margin: 6 };
const LARGE: Frame = { width: 460, height: 190, margin: 10 };

export function PlotView({ shown, large }: { shown: Shown; large?: boolean }) {
  const [place, setPlace] = useState(0);
  const { series } = shown;
  if (large) {
    return (
      <div className="plots">
        {series.map((one, index) => (
          <LargePlot key={index} series={one} />
        ))}
      </div>
    );
  }
  const one = series[Math.min(place, series.length - 1)];
  if (one === undefined) return null;
  return (
    <figure className="plot">
      <Curve series={one} frame={SMALL} />
      <figcaption>
        <span title={one.name}>{one.name}</span>
        {series.length > 1 && (
          <span className="pager nodrag">
            <button
              type="button"
              aria-label="earlier curve"
              disabled={place === 0}
              onClick={() => setPlace(place - 1)}
            >
              ‹
            </button>
            {place + 1}/{series.length}
            <button
              type="button"
              aria-label="next curve"
              disabled={place >= series.length - 1}
              onClick={() => setPlace(place + 1)}
            >
              ›
            </button>
          </span>
        )}
      </figcaption>
    </figure>
  );
}

/** One curve with its name; a slider below it, or the pointer, tells single values. */
function LargePlot({ series }: { series: Series }) {
  const [at, setAt] = useState(0);
  const { name, unit, values } = series;
  const point = (event: PointerEvent<SVGSVGElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const edge = (LARGE.margin / LARGE.width) * box.width;
    const share = (event.clientX - box.x - edge) / (box.width - 2 * edge);
    setAt(Math.max(0, Math.min(values.length - 1, Math.round(share * (values.length - 1)))));
  };
  const told = `${figure(values[at])}${unit === '' ? '' : ` ${unit}`}`;
  return (
    <figure className="plot large-plot">
      <figcaption>
        <b>{name}</b>
        <span data-testid="plot-value">
          {at + 1} of {values.length}: {told}
        </span>
      </figcaption>
      <Curve series={series} frame={LARGE} at={at} onPoint={point} />
      <input
        type="range"
        min={0}
        max={values.length - 1}
        value={at}
        aria-label={`place on the curve of ${name}`}
        aria-valuetext={`${at + 1} of ${values.length}: ${told}`}
        onChange={(event) => setAt(Number(event.target.value))}
      />
    </figure>
  );
}

interface CurveProps {
  readonly series: Series;
  readonly frame: Frame;
  readonly at?: number;
  readonly onPoint?: (event: PointerEvent<SVGSVGElement>) => void;
}

function Curve({ series, frame, at, onPoint }: CurveProps) {
  const { values } = series;
  const { paths, low, high } = drawn(values, frame);
  const value = at === undefined ? null : (values[at] ?? null);
  const dot = value === null ? undefined : pointOf(value, at ?? 0, values.length, low, high, frame);
  const { width, height, margin } = frame;
  return (
    <div className="curve">
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={inWords(series)} onPointerMove={onPoint}>
        {[margin, height - margin].map((y) => (
          <line key={y} className="edge" x1={0} x2={width} y1={y} y2={y} />
        ))}
        {paths.map((path, index) => (
          <path key={index} d={path} />
        ))}
        {dot && <line className="cursor" x1={dot.x} x2={dot.x} y1={0} y2={height} />}
        {dot && <circle cx={dot.x} cy={dot.y} r={4} />}
      </svg>
      <span className="high">{figure(high)}</span>
      {high > low && <span className="low">{figure(low)}</span>}
    </div>
  );
}
