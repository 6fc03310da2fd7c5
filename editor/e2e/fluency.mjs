/** How fluently large graphs are drawn: shared by the scenarios, which look at what happens, and the benchmark, which times it. */

import { documentOf, press } from './lab.mjs';

const COLUMNS = 40;
const MOVES = 90;

/** Chains of nodes, one below the other. */
export function chains(count) {
  const nodes = {};
  for (let n = 0; n < count; n++) {
    const column = n % COLUMNS;
    nodes[`n${n}`] = {
      type: 'media/change_fps',
      params: { fps: 8 },
      ...(column === 0 ? {} : { inputs: { video: `n${n - 1}` } }),
      ui: { x: column * 330, y: Math.floor(n / COLUMNS) * 260 },
    };
  }
  return { graphflow: 1, name: `large ${count}`, nodes };
}

/** Give a document to the page; the milliseconds until its first node is on the screen. */
export async function firstDrawn(page, doc) {
  await page.getByRole('button', { name: 'graphflow, first screen' }).click();
  const ms = await page.evaluate(async (text) => {
    const data = new DataTransfer();
    data.setData('text/plain', text);
    const began = performance.now();
    document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    do await frame();
    while (document.querySelector('.react-flow__node') === null);
    await frame();
    return performance.now() - began;
  }, JSON.stringify(doc));
  await page.waitForTimeout(250);
  await press(page, '1');
  await page.waitForTimeout(500);
  return ms;
}

/** Frames a second while something is done. */
async function framesWhile(page, act) {
  await page.evaluate(() => {
    window.drawn = { frames: 0, began: performance.now(), on: true };
    const count = () => {
      window.drawn.frames++;
      if (window.drawn.on) requestAnimationFrame(count);
    };
    requestAnimationFrame(count);
  });
  await act();
  return page.evaluate(() => {
    window.drawn.on = false;
    return (1000 * window.drawn.frames) / (performance.now() - window.drawn.began);
  });
}

/** Hold the pointer down at a place and wander 120 to the right and 60 down; frames a second meanwhile. */
async function framesOfDrag(page, x, y) {
  await page.mouse.move(x, y);
  await page.mouse.down();
  const fps = await framesWhile(page, async () => {
    for (let move = 1; move <= MOVES; move++)
      await page.mouse.move(
        x + (120 * move) / MOVES + 30 * Math.sin((9 * Math.PI * move) / MOVES),
        y + (60 * move) / MOVES,
      );
  });
  await page.mouse.up();
  return fps;
}

/** Drag a node that lies free; gives its place before and after, and frames a second. */
export async function dragNode(page) {
  const { id, x, y } = await page.evaluate(() => {
    for (const header of document.querySelectorAll('.react-flow__node-graph .node-header')) {
      const box = header.getBoundingClientRect();
      const [x, y] = [box.x + 40, box.y + 10];
      if (header.contains(document.elementFromPoint(x, y)) && x + 300 < innerWidth && y + 200 < innerHeight)
        return { id: header.closest('.react-flow__node').dataset.id, x, y };
    }
    throw new Error('no node lies free');
  });
  const before = (await documentOf(page)).nodes[id].ui;
  const fps = await framesOfDrag(page, x, y);
  return { before, after: (await documentOf(page)).nodes[id].ui, fps };
}

/** A place on the canvas where there is no node; undefined if there is none. */
async function freePlace(page) {
  const pane = await page.locator('.react-flow__pane').boundingBox();
  return page.evaluate(({ x, y, width, height }) => {
    for (let down = 120; down < height - 120; down += 12)
      for (let right = 120; right < width - 240; right += 12) {
        const found = document.elementFromPoint(x + right, y + down);
        if (found?.classList.contains('react-flow__pane')) return { x: x + right, y: y + down };
      }
    return undefined;
  }, pane);
}

export const camera = (page) => page.locator('.react-flow__viewport').evaluate((one) => one.style.transform);

/** Pan the canvas; frames a second. */
export async function pan(page) {
  const free = await freePlace(page);
  if (free === undefined) throw new Error('there is no room between the nodes');
  return framesOfDrag(page, free.x, free.y);
}

/** Zoom out and in with the wheel; frames a second. */
export async function zoom(page) {
  const free = await freePlace(page);
  await page.mouse.move(free.x, free.y);
  return framesWhile(page, async () => {
    for (let turn = 0; turn < MOVES; turn++) await page.mouse.wheel(0, turn < MOVES / 2 ? 24 : -24);
  });
}
