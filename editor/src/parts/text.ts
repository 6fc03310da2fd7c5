/** Figures as people read them. */

export function duration(seconds: number): string {
  if (seconds < 0.95) return seconds < 0.01 ? '0 s' : `${seconds.toFixed(seconds < 0.095 ? 2 : 1)} s`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

export function size(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1_000;
  let unit = 0;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000;
    unit++;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** What an expected time rests on. */
export function basisOf({ basis, scaled }: { basis: string; scaled: readonly string[] }): string {
  const on =
    basis === 'node'
      ? 'measured on this node'
      : basis === 'type'
        ? 'measured on other nodes of its type'
        : '';
  if (on === '' || scaled.length === 0) return on;
  return `${on}, in proportion to ${scaled.join(', ')}`;
}

/** Which item of a list, as people count: the first of the third, told as `2.0`, is `3.1`. */
export function itemName(item: string): string {
  return item
    .split('.')
    .map((place) => String(Number(place) + 1))
    .join('.');
}

/** How long ago something was, from seconds since 1970. */
export function ago(time: number, now = Date.now() / 1_000): string {
  const passed = Math.max(0, now - time);
  if (passed < 60) return 'just now';
  if (passed < 3_600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86_400) return `${Math.floor(passed / 3_600)} h ago`;
  return new Date(time * 1_000).toLocaleDateString();
}

export function plural(count: number, word: string): string {
  return count === 1 ? `1 ${word}` : `${count} ${word}s`;
}

/** `negative_prompt` as it stands on a label. */
export function label(name: string): string {
  return name.replaceAll('_', ' ');
}

/** The lines of a docstring as they are read: broken ones are joined, `name: what it means` begins one of its own. */
export function linesOf(doc: string): string[] {
  const lines: string[] = [];
  for (const block of doc.split(/\n\s*\n/)) {
    let open = false;
    for (const line of block.split('\n').map((one) => one.trim())) {
      if (open && !/^(\w+(, \w+)*:|Returns\b|Raises\b|[-*] )/.test(line))
        lines.push(`${lines.pop()} ${line}`);
      else lines.push(line);
      open = true;
    }
  }
  return lines.filter(Boolean);
}

/** A text where it cannot be set in type, such as in a tip. */
export function bare(doc: string): string {
  return doc.replaceAll('`', '');
}
