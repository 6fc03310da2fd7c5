/** A page by plain http from another machine: browsers keep parts of what pages may do from it, and everything works all the same. */

import assert from 'node:assert/strict';
import { documentOf, open, openDocument, press, run, Server, template } from './lab.mjs';

export async function on_a_page_that_is_not_secure_all_goes_its_way({ browser }) {
  const server = await Server.startNamed();
  try {
    const page = await open(browser, server, { plain: true });
    assert.match(page.url(), /^http:\/\/studio\.example:\d+\/$/, 'the token is not left in the address');
    assert.deepEqual(
      await page.evaluate(() => [isSecureContext, typeof crypto.randomUUID, typeof navigator.clipboard]),
      [false, 'undefined', 'undefined'],
    );
    await template(page, 'text to video');
    await page.getByLabel('prompt of encode', { exact: true }).first().fill('a red ball moving left');
    await page.getByRole('button', { name: 'seed of denoise: throw the dice' }).first().click();
    await run(page);
    await page.waitForFunction(
      () => document.querySelector('[data-testid=node-decode] video')?.currentTime > 0.05,
    );
    await theClipboard(page);
    await aFile(page);
    await page.waitForTimeout(1_600);
    await page.reload();
    await page.locator('.react-flow__node').first().waitFor();
    const drafts = await readDrafts(page);
    assert.ok(drafts >= 1, 'what is not saved is on the server too');
    await press(page, 'Control+Shift+s');
    await page.getByRole('dialog').getByRole('textbox').fill('kept by plain http');
    await press(page, 'Enter');
    await page.getByText('saved as kept by plain http').first().waitFor();
    const faults = page.faults.filter(
      (one) => !one.startsWith('The Cross-Origin-Opener-Policy header has been ignored'),
    );
    assert.deepEqual(faults, []);
    await page.context().close();
  } finally {
    await server.end();
  }
}

/** Copied, cut and pasted by key, within the page and as text of the system. */
async function theClipboard(page) {
  await openDocument(page, {
    graphflow: 1,
    name: 'words',
    nodes: {
      text: { type: 'std/text', params: { value: 'a word' }, ui: { x: 0, y: 0 } },
      join: { type: 'std/join', inputs: { items: ['text'] }, ui: { x: 330, y: 0 } },
    },
  });
  await press(page, 'Control+a');
  await press(page, 'Control+c');
  await press(page, 'Control+v');
  await page.getByTestId('node-join_2').waitFor();
  assert.deepEqual((await documentOf(page)).nodes.join_2.inputs.items, ['text_2']);
  await press(page, 'Control+x');
  await page.getByTestId('node-join_2').waitFor({ state: 'detached' });
  await press(page, 'w');
  const field = page.getByRole('searchbox').or(page.getByRole('textbox')).first();
  await field.focus();
  await press(page, 'Control+v');
  assert.match(await field.inputValue(), /"std\/join"/, 'other fields and programs get it as text');
}

async function aFile(page) {
  await openDocument(page, {
    graphflow: 1,
    nodes: { one: { type: 'media/load_image', ui: { x: 0, y: 0 } } },
  });
  await page
    .getByRole('button', { name: /path of one/ })
    .first()
    .click();
  const buffer = await page.screenshot({ clip: { x: 0, y: 0, width: 32, height: 32 } });
  await page.locator('input[type=file]').setInputFiles({ name: 'small.png', mimeType: 'image/png', buffer });
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.match((await documentOf(page)).nodes.one.params.path, /^asset:/);
}

/** How many tabs the page keeps for a reload that are marked as not saved. */
const readDrafts = (page) => page.getByRole('img', { name: 'not saved' }).count();
