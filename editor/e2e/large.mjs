/** A thousand nodes open, are drawn only where they are seen, and can be dragged. */

import assert from 'node:assert/strict';
import { documentOf, openDocument, press } from './lab.mjs';

function layered(count) {
  const nodes = {};
  for (let n = 0; n < count; n++) {
    const column = n % 40;
    nodes[`n${n}`] = {
      type: 'media/change_fps',
      params: { fps: 8 },
      ...(column === 0 ? {} : { inputs: { video: `n${n - 1}` } }),
      ui: { x: column * 330, y: Math.floor(n / 40) * 260 },
    };
  }
  return { graphflow: 1, name: 'large', nodes };
}

export async function a_thousand_nodes({ page, picture }) {
  const began = Date.now();
  await openDocument(page, layered(1000));
  console.log(`        1000 nodes: first drawn after ${Date.now() - began} ms`);
  await press(page, '1');
  await page.waitForTimeout(500);
  const drawn = await page.locator('.react-flow__node').count();
  assert.ok(drawn < 150, `${drawn} nodes are drawn`);
  await picture('large');
  const header = page.locator('.react-flow__node-graph .node-header').nth(2);
  const id = await header.evaluate((one) => one.closest('.react-flow__node').dataset.id);
  const before = (await documentOf(page)).nodes[id].ui;
  const box = await header.boundingBox();
  const start = Date.now();
  await page.mouse.move(box.x + 40, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(box.x + 100, box.y + 60, { steps: 30 });
  await page.mouse.up();
  console.log(`        30 steps of a drag took ${Date.now() - start} ms`);
  const after = (await documentOf(page)).nodes[id].ui;
  assert.ok(after.x > before.x && after.y > before.y);
  await press(page, 'f');
  await page.waitForTimeout(800);
  await picture('large_all');
}
