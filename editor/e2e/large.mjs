/** Hundreds of nodes open, are drawn only where they are seen, can be panned, dragged and arranged. Prints how fluently. */

import assert from 'node:assert/strict';
import { documentOf, openDocument, press } from './lab.mjs';

const COLUMNS = 40;
const MOVES = 90;

/** Chains of nodes, one below the other. */
function chains(count) {
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
async function firstDrawn(page, doc) {
  await page.getByRole('button', { name: 'graphflow, first screen' }).click();
  return page.evaluate(async (text) => {
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
}

/** Hold the pointer down at a place and wander 120 to the right and 60 down; frames a second meanwhile. */
async function framesOfDrag(page, x, y) {
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.evaluate(() => {
    window.drawn = { frames: 0, began: performance.now(), on: true };
    const count = () => {
      window.drawn.frames++;
      if (window.drawn.on) requestAnimationFrame(count);
    };
    requestAnimationFrame(count);
  });
  for (let move = 1; move <= MOVES; move++)
    await page.mouse.move(
      x + (120 * move) / MOVES + 30 * Math.sin((9 * Math.PI * move) / MOVES),
      y + (60 * move) / MOVES,
    );
  const fps = await page.evaluate(() => {
    window.drawn.on = false;
    return (1000 * window.drawn.frames) / (performance.now() - window.drawn.began);
  });
  await page.mouse.up();
  return fps;
}

const camera = (page) => page.locator('.react-flow__viewport').evaluate((one) => one.style.transform);

/** Open that many nodes; a row of the table. */
async function measured(page, count, picture) {
  const first = await firstDrawn(page, chains(count));
  await page.waitForTimeout(250);
  await press(page, '1');
  await page.waitForTimeout(500);
  const drawn = await page.locator('.react-flow__node').count();
  assert.ok(drawn < 150, `${drawn} nodes are drawn`);
  if (picture) await picture('large');

  const header = page.locator('.react-flow__node-graph .node-header').nth(2);
  const id = await header.evaluate((one) => one.closest('.react-flow__node').dataset.id);
  const before = (await documentOf(page)).nodes[id].ui;
  const box = await header.boundingBox();
  const drag = await framesOfDrag(page, box.x + 40, box.y + 10);
  const after = (await documentOf(page)).nodes[id].ui;
  assert.ok(after.x > before.x && after.y > before.y, 'a node is dragged');

  const pane = await page.locator('.react-flow__pane').boundingBox();
  const free = await page.evaluate(({ x, y, width, height }) => {
    for (let down = 120; down < height - 120; down += 12)
      for (let right = 120; right < width - 240; right += 12) {
        const found = document.elementFromPoint(x + right, y + down);
        if (found?.classList.contains('react-flow__pane')) return { x: x + right, y: y + down };
      }
    return undefined;
  }, pane);
  assert.ok(free, 'there is room between the nodes');
  const from = await camera(page);
  const pan = await framesOfDrag(page, free.x, free.y);
  assert.notEqual(await camera(page), from, 'the canvas is panned');
  return [count, Math.round(first), Math.round(pan), Math.round(drag)];
}

export async function hundreds_of_nodes({ page, picture }) {
  const rows = [
    ['nodes', 'first render ms', 'pan fps', 'drag fps'],
    ['---', '---', '---', '---'],
    await measured(page, 500),
    await measured(page, 1000, picture),
  ];
  console.log(rows.map((row) => `        | ${row.join(' | ')} |`).join('\n'));
  await press(page, 'f');
  await page.waitForTimeout(800);
  await picture('large_all');
}

export async function a_thousand_nodes_are_arranged({ page }) {
  const doc = chains(1000);
  for (const entry of Object.values(doc.nodes)) entry.ui = { x: 0, y: 0 };
  await openDocument(page, doc);
  const began = Date.now();
  await press(page, 'l');
  await page.getByRole('button', { name: 'Undo arrange', exact: false }).waitFor({ timeout: 60_000 });
  console.log(`        1000 nodes: arranged after ${Date.now() - began} ms`);
  const { nodes } = await documentOf(page);
  const places = Object.values(nodes).map(({ ui }) => `${ui.x} ${ui.y}`);
  assert.equal(new Set(places).size, 1000, 'no two nodes on one place');
  for (const [id, { inputs, ui }] of Object.entries(nodes))
    if (inputs) assert.ok(nodes[inputs.video].ui.x < ui.x, `${id} stands right of what feeds it`);
}
