/** What nodes made, seen in the node, large and as a sheet: each kind. */

import assert from 'node:assert/strict';
import { openDocument, press, run, serious } from './lab.mjs';

/** A tenth of a second of a tone, as a wav file. */
function tone() {
  const samples = Int16Array.from({ length: 800 }, (_, at) => 8_000 * Math.sin(at / 3));
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + samples.byteLength, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8_000, 24);
  head.writeUInt32LE(16_000, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(samples.byteLength, 40);
  return Buffer.concat([head, Buffer.from(samples.buffer)]);
}

export async function every_kind_of_result_is_seen_in_its_node({ page, server, picture }) {
  const headers = { authorization: 'Bearer a-token-for-the-browser-tests' };
  const sent = await page.request.post(`${server.origin}/api/uploads?name=tone.wav`, {
    data: tone(),
    headers,
  });
  const { asset } = await sent.json();
  await openDocument(page, {
    graphflow: 1,
    name: 'kinds',
    nodes: {
      clip: { type: 'toyworld/clip', params: { seed: 61 }, ui: { x: 0, y: 0 } },
      frame: { type: 'media/pick_frame', inputs: { video: 'clip.video' }, ui: { x: 340, y: -260 } },
      sound: { type: 'media/load_audio', params: { path: `asset:${asset}` }, ui: { x: 0, y: 460 } },
      measured: {
        type: 'evaluation/measure',
        params: { metrics: 'dynamic_degree' },
        inputs: { video: 'clip.video' },
        ui: { x: 340, y: 60 },
      },
      table: { type: 'evaluation/score_table', inputs: { scores: ['measured'] }, ui: { x: 680, y: 60 } },
      text: { type: 'std/join', inputs: { items: ['words'] }, ui: { x: 340, y: 460 } },
      words: { type: 'std/text', params: { value: 'so it is said' }, ui: { x: 0, y: 700 } },
    },
    outputs: { image: 'frame', audio: 'sound', scores: 'measured', table: 'table', text: 'text' },
  });
  await run(page);
  const within = (node) => page.getByTestId(`node-${node}`);
  await within('clip').locator('video').waitFor();
  await within('frame').locator('img.media').waitFor();
  await within('sound').locator('audio').waitFor();
  await within('table').locator('.plot').waitFor();
  await within('text').getByText('so it is said').waitFor();
  await page.waitForFunction(() =>
    [...document.querySelectorAll('.media')].every((one) => one.tagName !== 'IMG' || one.naturalWidth > 0),
  );
  await picture('kinds');
  const clip = within('clip').locator('video');
  await clip.evaluate((video) => {
    video.pause();
    video.currentTime = video.duration / 2;
  });
  await page.waitForFunction(() => {
    const video = document.querySelector('[data-testid=node-clip] video');
    return !video.seeking && Math.abs(video.currentTime - video.duration / 2) < 0.1;
  });
  await within('table')
    .getByRole('button', { name: /see the result of .* large/ })
    .click();
  const columns = await page.getByRole('dialog').getByRole('columnheader').allInnerTexts();
  assert.ok(columns.includes('dynamic_degree'), `numbers stand below a curve: ${columns}`);
  assert.deepEqual(await serious(page), []);
  await press(page, 'Escape');
  await seenOnTheWholeScreen(page);
}

async function seenOnTheWholeScreen(page) {
  await page
    .getByTestId('node-frame')
    .getByRole('button', { name: /see the result of .* large/ })
    .click();
  const whole = () =>
    page.evaluate(() => {
      const box = document.fullscreenElement?.querySelector('img.media')?.getBoundingClientRect();
      return box && box.width === innerWidth && box.height === innerHeight;
    });
  assert.equal(await whole(), undefined);
  await page.getByRole('dialog').getByRole('button', { name: 'on the whole screen' }).click();
  await page.waitForFunction(() => document.fullscreenElement !== null);
  assert.equal(await whole(), true);
  await page.evaluate(() => document.exitFullscreen());
  await page.getByRole('dialog').getByRole('button', { name: 'close' }).click();
}

export async function items_are_turned_over_and_stand_on_a_sheet({ page, picture }) {
  await openDocument(page, {
    graphflow: 1,
    name: 'items',
    nodes: {
      seeds: { type: 'std/seeds', params: { seed: 7, count: 3 }, ui: { x: 0, y: 0 } },
      clip: { type: 'toyworld/clip', inputs: { seed: 'seeds' }, ui: { x: 340, y: 0 } },
    },
    outputs: { video: 'clip.video' },
  });
  await run(page);
  const node = page.getByTestId('node-clip');
  await node.getByText('1/3').waitFor();
  const first = await node.locator('video').getAttribute('src');
  await node.getByRole('button', { name: 'next item' }).click();
  await node.getByText('2/3').waitFor();
  await page.waitForFunction((src) => document.querySelector('video')?.getAttribute('src') !== src, first);
  await node.getByRole('button', { name: /see the result of .* large/ }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'all 3 items' }).click();
  await dialog.locator('figure video').nth(2).waitFor();
  await picture('sheet');
  await dialog
    .getByRole('button', { name: /mark item/ })
    .nth(0)
    .click();
  await dialog
    .getByRole('button', { name: /mark item/ })
    .nth(2)
    .click();
  await dialog.getByRole('button', { name: 'compare two' }).click();
  await page.getByRole('slider', { name: 'wipe between the two' }).waitFor();
  await press(page, 'Escape');
}
