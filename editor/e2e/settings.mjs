/** Controls of settings, uploads, parameters. */

import assert from 'node:assert/strict';
import { documentOf, dropFile, openDocument, press, serious } from './lab.mjs';

const node = (type, params = {}) => ({ graphflow: 1, nodes: { one: { type, params, ui: { x: 0, y: 0 } } } });
const params = async (page) => (await documentOf(page)).nodes.one.params;

export async function every_kind_of_control_sets_its_value({ page, picture }) {
  await openDocument(page, node('media/save_video', { name: 'clip' }));
  await page.getByTestId('node-one').locator('.node-header').click();
  const inspector = page.getByRole('complementary', { name: 'inspector' });
  await inspector.getByLabel('name of one', { exact: true }).fill('other');
  await inspector.getByLabel('format of one').selectOption({ label: 'gif' });
  await inspector.getByLabel('crf of one', { exact: true }).fill('23');
  await inspector.getByLabel('upscale of one, slider').focus();
  await press(page, 'ArrowRight');
  await inspector.getByLabel('embed_workflow of one').click();
  await inspector.getByLabel('fps of one', { exact: true }).fill('12.5');
  assert.deepEqual(await params(page), {
    name: 'other',
    format: 'gif',
    crf: 23,
    upscale: 2,
    embed_workflow: false,
    fps: 12.5,
  });
  await inspector.getByLabel('fps of one', { exact: true }).fill('');
  assert.equal((await params(page)).fps, null, 'empty is empty');
  await inspector.getByRole('button', { name: 'crf back to its default' }).click();
  assert.equal((await params(page)).crf, undefined);
  await inspector.getByLabel('crf of one', { exact: true }).fill('99');
  await inspector
    .getByText(/at most 51|less than or equal to 51/)
    .first()
    .waitFor();
  await picture('inspector');
}

export async function a_colour_is_chosen({ page }) {
  await openDocument(page, node('control/chroma_key'));
  const colour = page.getByTestId('node-one').getByLabel('color of one');
  assert.equal(await colour.inputValue(), '#00ff00', 'green, as it comes');
  await colour.fill('#3366cc');
  assert.equal((await params(page)).color, '#3366cc');
  await page.getByTestId('node-one').getByText('#3366cc').waitFor();
  await press(page, 'Control+z');
  assert.equal((await params(page))?.color, undefined);
}

export async function a_seed_is_thrown_and_unlocked({ page }) {
  await openDocument(page, node('diffusion/denoise', { seed: 5 }));
  await page.getByRole('button', { name: 'seed of one: throw the dice' }).first().click();
  const thrown = (await params(page)).seed;
  assert.notEqual(thrown, 5);
  await page.getByRole('button', { name: 'seed of one: draw a new one each run' }).first().click();
  assert.equal((await params(page)).seed, null);
}

export async function lists_are_edited_as_rows({ page }) {
  await openDocument(page, node('diffusion/guide_by_step', { scales: [3, 2] }));
  await page
    .getByTestId('node-one')
    .getByRole('button', { name: /^scales of one/ })
    .click();
  await page.getByRole('button', { name: 'add an item' }).click();
  await page.getByLabel('item 3', { exact: true }).fill('1.5');
  await page.getByRole('button', { name: 'remove item 1' }).click();
  await page.getByRole('button', { name: 'Use it' }).click();
  assert.deepEqual((await params(page)).scales, [2, 1.5]);
}

export async function a_picture_is_uploaded_and_chosen_again({ page, picture }) {
  await openDocument(page, node('media/load_image'));
  await page
    .getByRole('button', { name: /path of one/ })
    .first()
    .click();
  const png = await page.screenshot({ clip: { x: 0, y: 0, width: 64, height: 64 } });
  await page
    .locator('input[type=file]')
    .setInputFiles({ name: 'shot.png', mimeType: 'image/png', buffer: png });
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const { path } = await params(page);
  assert.match(path, /^asset:[0-9a-f]{32}$/);
  await page
    .getByRole('button', { name: /path of one/ })
    .first()
    .click();
  await page
    .getByRole('dialog')
    .getByRole('button', { name: /shot\.png/ })
    .first()
    .waitFor();
  await picture('files');
}

export async function a_setting_becomes_a_parameter_of_the_app({ page, picture }) {
  await openDocument(page, node('media/save_video', { name: 'clip' }));
  await page.getByTestId('node-one').locator('.node-header').click();
  await page.getByRole('button', { name: 'make name a parameter of the workflow' }).click();
  await press(page, 'g');
  await page.getByRole('main', { name: 'app' }).getByLabel('name').fill('from the app');
  assert.equal((await params(page)).name, 'from the app');
  await picture('app');
}

export async function a_model_is_chosen_from_the_catalogue({ page, picture }) {
  await openDocument(page, node('diffusion/load_model'));
  await page.getByRole('button', { name: 'model of one: choose a model' }).first().click();
  await page.getByLabel('search models').fill('wan 1.3b');
  await picture('models');
  await page.getByRole('dialog').getByRole('button', { name: /1\.3B/ }).first().click();
  assert.match((await params(page)).model, /1\.3B/i);
}

export async function a_dropped_picture_becomes_a_node_that_loads_it({ page }) {
  await openDocument(page, node('media/load_image'));
  const png = await page.screenshot({ clip: { x: 0, y: 0, width: 32, height: 32 } });
  await dropFile(page.locator('.canvas'), 'plain.png', png, 'image/png', { x: 500, y: 600 });
  await page.getByTestId('node-load_image').waitFor();
  await page.waitForTimeout(200);
  assert.match((await documentOf(page)).nodes.load_image.params.path, /^asset:/);
}

export async function a_prompt_is_filled_in_as_a_form({ page, picture }) {
  await openDocument(page, {
    graphflow: 1,
    nodes: {
      prompt: { type: 'prompts/structured', ui: { x: 0, y: 0 } },
      text: {
        type: 'prompts/render',
        params: { style: 'wan' },
        inputs: { prompt: 'prompt' },
        ui: { x: 330, y: 0 },
      },
    },
  });
  await page.getByTestId('node-prompt').getByRole('button', { name: 'as a form' }).click();
  const form = page.getByRole('dialog');
  const caption = form.getByTestId('caption');
  await form.getByText('nothing is said yet').waitFor();
  await form.getByRole('button', { name: 'Add a subject' }).click();
  await form.getByLabel('name of subject 1', { exact: true }).fill('a red fox');
  await form.getByLabel('action of subject 1', { exact: true }).fill('runs through snow');
  await form.getByLabel('environment', { exact: true }).fill('a quiet forest');
  await form.getByLabel('move of camera', { exact: true }).selectOption('pan left');
  await form.getByLabel('time of lighting', { exact: true }).selectOption('dawn');
  await caption.getByText(/red fox runs through snow/i).waitFor();
  await caption.getByText(/dawn/i).waitFor();
  const wan = await caption.innerText();
  await form.getByLabel('style of the caption').selectOption('ltx');
  await page.waitForFunction(
    (before) => document.querySelector('[data-testid=caption]').textContent !== before,
    wan,
  );
  await picture('form');
  assert.deepEqual(await serious(page), []);
  const { nodes } = await documentOf(page);
  assert.deepEqual(nodes.prompt.inputs, { subjects: ['subject'], camera: 'camera', lighting: 'lighting' });
  assert.equal(nodes.subject.params.action, 'runs through snow');
  assert.equal(nodes.camera.params.move, 'pan_left');
  await form.getByRole('button', { name: 'remove subject 1' }).click();
  await form.getByRole('button', { name: 'close', exact: true }).click();
  assert.equal((await documentOf(page)).nodes.subject, undefined);
  await press(page, 'Control+z');
  assert.equal(
    (await documentOf(page)).nodes.subject.params.name,
    'a red fox',
    'and all of it can be undone',
  );
}
