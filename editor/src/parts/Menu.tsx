/** A menu at a place on the screen, with arrow keys, Escape, and a click outside. */

import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react';

export type MenuItem =
  | { readonly separator: true }
  | { readonly separator?: false; readonly label: string; readonly keys?: string; readonly run: () => void };

interface Props {
  readonly x: number;
  readonly y: number;
  readonly items: readonly MenuItem[];
  readonly label: string;
  readonly onClose: () => void;
}

export function Menu({ x, y, items, label, onClose }: Props) {
  const ref = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState({ x, y });
  useLayoutEffect(() => {
    const box = ref.current?.getBoundingClientRect();
    if (box === undefined) return;
    setPlace({
      x: Math.max(4, Math.min(x, innerWidth - box.width - 8)),
      y: Math.max(4, Math.min(y, innerHeight - box.height - 8)),
    });
    ref.current?.querySelector('button')?.focus();
  }, [x, y, items.length]); // what is offered may change once what was pointed at is chosen
  useEffect(() => {
    const outside = (event: PointerEvent): void => {
      if (!ref.current?.contains(event.target as Node)) onClose();
    };
    addEventListener('pointerdown', outside, true);
    return () => removeEventListener('pointerdown', outside, true);
  }, [onClose]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const buttons = [...(ref.current?.querySelectorAll('button') ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const way = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    event.stopPropagation();
    if (way !== 0) {
      event.preventDefault();
      buttons[(at + way + buttons.length) % buttons.length]?.focus();
    }
    if (event.key === 'Escape' || event.key === 'Tab') onClose();
  };
  const kept = items.filter(
    (item, index) =>
      !(item.separator && (index === 0 || items[index - 1]?.separator || index === items.length - 1)),
  );
  return (
    <div
      ref={ref}
      className="menu"
      role="menu"
      aria-label={label}
      style={{ left: place.x, top: place.y }}
      onKeyDown={onKeyDown}
    >
      {kept.map((item, index) =>
        item.separator ? (
          <hr key={index} />
        ) : (
          <button
            key={index}
            type="button"
            role="menuitem"
            onClick={() => {
              onClose();
              item.run();
            }}
          >
            <span>{item.label}</span>
            {item.keys && <kbd>{item.keys}</kbd>}
          </button>
        ),
      )}
    </div>
  );
}
