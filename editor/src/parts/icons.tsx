/** The icons: strokes on a 16 x 16 field. */

const PATHS = {
  play: 'M5 3.2v9.6l7.5-4.8z',
  stop: 'M4.5 4.5h7v7h-7z',
  plus: 'M8 3.5v9M3.5 8h9',
  close: 'M4.2 4.2l7.6 7.6M11.8 4.2l-7.6 7.6',
  search: 'M7 2.8a4.2 4.2 0 1 1 0 8.4a4.2 4.2 0 0 1 0-8.4zM10.2 10.2l3.2 3.2',
  nodes: 'M2.5 3.5h4.5v3.5h-4.5zM9 9h4.5v3.5h-4.5zM7 5.2c3 0 1.5 5.5 2 5.5',
  folder: 'M2 4h4l1.4 1.6h6.6v6.9h-12z',
  queue: 'M3 4h10M3 8h10M3 12h6',
  clock: 'M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 0 1 0-11zM8 5v3.2l2.2 1.6',
  dice: 'M3 3h10v10h-10zM5.8 5.8h.1M10.2 5.8h.1M8 8h.1M5.8 10.2h.1M10.2 10.2h.1',
  lock: 'M4 7.5h8v5.5h-8zM5.5 7.5v-2a2.5 2.5 0 0 1 5 0v2',
  unlock: 'M4 7.5h8v5.5h-8zM5.5 7.5v-2a2.5 2.5 0 0 1 4.7-1.2',
  sun: 'M8 5.2a2.8 2.8 0 1 1 0 5.6a2.8 2.8 0 0 1 0-5.6zM8 1.5v1.4M8 13.1v1.4M1.5 8h1.4M13.1 8h1.4M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1',
  moon: 'M12.8 9.6a5.4 5.4 0 0 1-6.4-6.4a5.4 5.4 0 1 0 6.4 6.4z',
  undo: 'M5.5 3.5l-3 3l3 3M2.5 6.5h6.5a4 4 0 0 1 0 7h-2.5',
  redo: 'M10.5 3.5l3 3l-3 3M13.5 6.5h-6.5a4 4 0 0 0 0 7h2.5',
  save: 'M3 3h8l2 2v8h-10zM5.5 3v3.5h4.5v-3.5M5.5 13v-3.5h5v3.5',
  warn: 'M8 2.5l6 11h-12zM8 6.5v3.5M8 11.6v.2',
  info: 'M8 2.2a5.8 5.8 0 1 1 0 11.6a5.8 5.8 0 0 1 0-11.6zM8 7.4v3.6M8 5v.1',
  check: 'M3 8.5l3.4 3.4l6.6-7.4',
  expand: 'M3 6.5v-3.5h3.5M13 9.5v3.5h-3.5M3 3l4 4M13 13l-4-4',
  compare: 'M8 2v12M2.5 4h3.5v8h-3.5M10 4h3.5v8h-3.5',
  swap: 'M4 5.5h9M10.5 3l2.5 2.5l-2.5 2.5M12 10.5h-9M5.5 8l-2.5 2.5l2.5 2.5',
  layout: 'M2.5 3h3.5v3h-3.5zM2.5 10h3.5v3h-3.5zM10 6.5h3.5v3h-3.5zM6 4.5h2v7h-2M8 8h2',
  fit: 'M2.5 5.5v-3h3M10.5 2.5h3v3M13.5 10.5v3h-3M5.5 13.5h-3v-3',
  minus: 'M3.5 8h9',
  menu: 'M8 3.5h.1M8 8h.1M8 12.5h.1',
  down: 'M4 6l4 4l4-4',
  right: 'M6 4l4 4l-4 4',
  upload: 'M8 10.5v-7M5 6.2l3-3l3 3M3 10.5v3h10v-3',
  download: 'M8 3v7M5 7.5l3 3l3-3M3 10.5v3h10v-3',
  trash: 'M3 4.5h10M6 4.5v-1.5h4v1.5M4.5 4.5l.6 9h5.8l.6-9',
  copy: 'M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1',
  note: 'M3 3h10v7l-3 3h-7zM10 13v-3h3',
  group: 'M2.5 4.5h11v9h-11zM2.5 4.5l1-2h4l1 2',
  app: 'M3 3h10v10h-10zM3 6h10M6 8.5h4M6 10.8h4',
  help: 'M8 2.2a5.8 5.8 0 1 1 0 11.6a5.8 5.8 0 0 1 0-11.6zM6.2 6.4a1.8 1.8 0 1 1 2.6 1.7c-.6.3-.8.6-.8 1.3M8 11.4v.1',
  command:
    'M5.5 5.5h5v5h-5zM5.5 5.5h-1.5a1.5 1.5 0 1 1 1.5-1.5zM10.5 5.5v-1.5a1.5 1.5 0 1 1 1.5 1.5zM10.5 10.5h1.5a1.5 1.5 0 1 1-1.5 1.5zM5.5 10.5v1.5a1.5 1.5 0 1 1-1.5-1.5z',
  reset: 'M3.5 3v3.5h3.5M3.7 6.5a5 5 0 1 1-.5 3',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  panel: 'M2.5 3h11v10h-11zM10 3v10',
  drag: 'M6 4h.1M10 4h.1M6 8h.1M10 8h.1M6 12h.1M10 12h.1',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
