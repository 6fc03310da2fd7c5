/** Live previews go past React: frames are drawn on the canvases that show them, the newest only. */

type Draw = (frame: Blob) => void;

const shown = new Map<string, Set<Draw>>();
const newest = new Map<string, Blob>();

/** Draw a node's previews from now on, beginning with the newest. Gives a function that stops it. */
export function onPreview(node: string, draw: Draw): () => void {
  const draws = shown.get(node) ?? new Set<Draw>();
  shown.set(node, draws.add(draw));
  const last = newest.get(node);
  if (last !== undefined) draw(last);
  return () => draws.delete(draw);
}

export function showPreview(node: string, mediaType: string, data: Uint8Array): void {
  const frame = new Blob([data as Uint8Array<ArrayBuffer>], { type: mediaType });
  newest.set(node, frame);
  for (const draw of shown.get(node) ?? []) draw(frame);
}
