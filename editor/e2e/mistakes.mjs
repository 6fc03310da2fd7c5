/** What people do wrong, and what they are told: what happened, where, and what to do next. */

import assert from 'node:assert/strict';
import { documentOf, dropFile, openDocument, press } from './lab.mjs';

const told = (page) => page.getByRole('log');
const single = (type, params = {}) => ({
  graphflow: 1,
  name: 'one',
  nodes: { one: { type, params, ui: { x: 0, y: 0 } } },
  outputs: { out: 'one' },
});

const drop = (page, ...file) => dropFile(page.locator('.home, .react-flow__pane').first(), ...file);

/** A message with all of some texts is there; it is closed then. */
async function says(page, ...texts) {
  let toast = told(page).locator('.toast');
  for (const text of texts) toast = toast.filter({ hasText: text });
  await toast.first().waitFor();
  await toast.first().getByRole('button', { name: 'close the message' }).click();
}

/** The browser tells of each request that was refused: that is what is tried here. */
const refusedOnly = (page) => {
  page.faults = page.faults.filter((one) => !/status of 4\d\d .*\/api\/uploads/.test(one));
};

export async function a_dropped_file_that_does_not_open_is_named_with_the_reason({ page, server }) {
  await drop(page, 'half.json', '{"graphflow": 1, "nodes"');
  await says(page, 'half.json: not valid JSON');
  await drop(page, 'other.json', '{"last_node_id": 3, "nodes": [], "links": []}');
  await says(page, 'other.json: not a graphflow workflow', 'ComfyUI');
  await drop(page, 'later.json', '{"graphflow": 99, "nodes": {}}');
  await says(page, 'later.json: written by a newer graphflow', 'update graphflow');
  await drop(page, 'empty.png', '', 'image/png');
  await says(page, 'empty.png is empty');
  await drop(page, 'clip.mp4', 'no video at all', 'video/mp4');
  await says(page, 'clip.mp4: the file cannot be decoded', 'that other programs can open');
  await drop(page, 'setup.exe', 'MZ', 'application/x-msdownload');
  await says(page, "setup.exe: files named '*.exe' are not taken", 'these are: .png');
  await openDocument(page, single('std/text'));
  await drop(page, 'notes.txt', 'a word', 'text/plain');
  await says(page, 'notes.txt carries no workflow', 'becomes a node that loads it');
  assert.ok(!(await page.content()).includes(server.data), 'of the server’s folders nothing is told');
  refusedOnly(page);
}

export async function a_node_that_is_not_installed_is_shown_kept_and_never_fetched({ page, server }) {
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  const strange = {
    type: 'strangers/miner',
    params: { deep: [1] },
    inputs: { x: 'two' },
    ui: { x: 0, y: 0 },
  };
  await openDocument(page, {
    graphflow: 1,
    name: 'from elsewhere',
    nodes: { one: strange, two: { type: 'std/text', ui: { x: -330, y: 0 } } },
    outputs: { out: 'one' },
  });
  await page.getByTestId('node-one').getByText('not installed').waitFor();
  await page.getByTestId('node-one').locator('.node-header').click();
  await page.getByText("This node's pack is not installed.").waitFor();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page
    .getByRole('region', { name: 'problems' })
    .getByText("no node type 'strangers/miner'")
    .first()
    .waitFor();
  assert.deepEqual((await documentOf(page)).nodes.one, strange, 'kept as it is');
  assert.deepEqual(
    asked.filter((url) => !url.startsWith(server.origin)),
    [],
    'nothing is asked of anybody else',
  );
}

export async function a_file_of_another_kind_is_not_even_sent({ page }) {
  await openDocument(page, single('media/load_image'));
  await page
    .getByRole('button', { name: /path of one/ })
    .first()
    .click();
  const [name, mimeType] = ['notes.txt', 'text/plain'];
  await page.locator('input[type=file]').setInputFiles({ name, mimeType, buffer: Buffer.from('a word') });
  await says(page, 'notes.txt is a text, not image', 'choose a file of kind image');
  await press(page, 'Escape');
}

export async function a_name_that_cannot_be_is_told_where_it_is_typed({ page }) {
  await openDocument(page, single('std/text'));
  await press(page, 'Control+Shift+s');
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox').fill('../above');
  await press(page, 'Enter');
  await dialog.getByRole('alert').getByText('has no /').waitFor();
  await dialog.getByRole('textbox').fill('beside');
  await press(page, 'Enter');
  await says(page, 'saved as beside');
}

export async function nothing_to_do_is_told_with_what_to_do({ page }) {
  await page.getByRole('button', { name: 'New workflow' }).first().click();
  await page.locator('.canvas-hint').waitFor();
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await says(page, 'there is nothing to run yet', 'press A, to add a node');
  await page.evaluate(() => navigator.clipboard.writeText('a word of somebody'));
  await press(page, 'Control+v');
  await says(page, 'there is no workflow in the clipboard', 'copy nodes');
}

export async function a_failed_run_is_told_once_where_it_is_seen({ page }) {
  await openDocument(page, {
    ...single('media/load_image', { path: 'no/such.png' }),
    parameters: { image: { to: 'one.path' } },
  });
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  const problems = page.getByRole('region', { name: 'problems' });
  await problems.getByText('there is no such file').waitFor();
  await problems.getByText('check the path').waitFor();
  assert.equal(await told(page).locator('.toast').count(), 0, 'the list says it already');
  await press(page, 'g');
  await page.locator('.app-results').getByText('there is no such file').waitFor();
  await page.locator('.app-results').getByText('check the path').waitFor();
}

export async function without_a_server_one_knows_that_nothing_is_lost({ page, server }) {
  await openDocument(page, single('std/text'));
  await server.down('SIGKILL');
  await page.getByText('no connection; trying again').waitFor();
  const words = ['there is no connection to the server', 'kept in this browser'];
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await says(page, ...words);
  await drop(page, 'dog.png', 'no picture', 'image/png');
  await says(page, ...words);
  await server.up(server.port);
  await page.getByText('connected', { exact: true }).waitFor();
  page.faults = page.faults.filter((one) => !/net::ERR_/.test(one));
}
