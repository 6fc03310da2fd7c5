/** Hundreds of nodes open, are drawn only where they are seen, can be panned, dragged and arranged. */

import assert from 'node:assert/strict';
import { camera, chains, dragNode, firstDrawn, pan } from './fluency.mjs';
import { documentOf, openDocument, press } from './lab.mjs';

export async function a_thousand_nodes_are_drawn_where_they_are_seen({ page, picture }) {
  await firstDrawn(page, chains(1000));
  const drawn = await page.locator('.react-flow__node').count();
  assert.ok(drawn > 0 && drawn < 150, `${drawn} nodes are drawn`);
  await picture('large');
  const { before, after } = await dragNode(page);
  assert.ok(after.x > before.x && after.y > before.y, 'a node is dragged');
  const from = await camera(page);
  await pan(page);
  assert.notEqual(await camera(page), from, 'the canvas is panned');
  await press(page, 'f');
  await page.waitForTimeout(800);
  await picture('large_all');
}

export async function a_large_graph_opens_at_its_beginning({ page, picture }) {
  await openDocument(page, chains(600));
  await page.waitForTimeout(300);
  const drawn = await page.locator('.react-flow__node').count();
  assert.ok(drawn < 60, `${drawn} nodes are drawn: not all at once`);
  const box = await page.getByTestId('node-n0').boundingBox();
  assert.ok(box.x > 40 && box.x < 200 && box.y > 90 && box.y < 220, JSON.stringify(box));
  await picture('large_opened');
  await openDocument(page, chains(180));
  await page.waitForTimeout(300);
  const title = await page.getByTestId('node-n0').locator('.node-header').boundingBox();
  assert.ok(title.height > 15, `few as they are, all of them would be too small to read: ${title.height}`);
}

export async function a_thousand_nodes_are_arranged({ page }) {
  const doc = chains(1000);
  for (const entry of Object.values(doc.nodes)) entry.ui = { x: 0, y: 0 };
  await openDocument(page, doc);
  await press(page, 'l');
  await page.getByRole('button', { name: 'Undo arrange', exact: false }).waitFor({ timeout: 60_000 });
  const { nodes } = await documentOf(page);
  const places = Object.values(nodes).map(({ ui }) => `${ui.x} ${ui.y}`);
  assert.equal(new Set(places).size, 1000, 'no two nodes on one place');
  for (const [id, { inputs, ui }] of Object.entries(nodes))
    if (inputs) assert.ok(nodes[inputs.video].ui.x < ui.x, `${id} stands right of what feeds it`);
}
