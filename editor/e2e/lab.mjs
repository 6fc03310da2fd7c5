/** A server with a folder of its own, a browser, and what all scenarios need. */

import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { access, constants, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(HERE, '..', '..');
export const PICTURES = join(HERE, 'pictures');

/** A name that browsers are told is this machine. A page of it by plain http is no secure one, as on a network at home. */
const NAME = 'studio.example';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  `--host-resolver-rules=MAP ${NAME} 127.0.0.1`,
];

export class Server {
  static async start() {
    const server = new Server();
    server.data = await mkdtemp(join(tmpdir(), 'graphflow-editor-'));
    await server.up(0);
    return server;
  }

  /** One that browsers reach by a name, without https. */
  static async startNamed() {
    const server = new Server();
    server.data = await mkdtemp(join(tmpdir(), 'graphflow-editor-'));
    const port = await freePort();
    await server.up(port, ['--public-url', `http://${NAME}:${port}`]);
    return server;
  }

  async up(port, more = []) {
    this.child = spawn(
      GRAPHFLOW,
      ['serve', '--no-browser', '--port', String(port), '--data-dir', this.data, ...more],
      {
        cwd: ROOT,
        env: { ...process.env, GRAPHFLOW_TOKEN: 'a-token-for-the-browser-tests', OMP_NUM_THREADS: '1' },
      },
    );
    this.log = '';
    const told = new Promise((resolve, reject) => {
      const hear = (data) => {
        this.log += data;
        const found = /https?:\/\/\S+/.exec(this.log);
        if (found) resolve(found[0]);
      };
      this.child.stdout.on('data', hear);
      this.child.stderr.on('data', hear);
      this.child.once('exit', (code) => reject(new Error(`the server ended with ${code}\n${this.log}`)));
    });
    this.url = await told;
    this.origin = new URL(this.url).origin;
    this.port = new URL(this.url).port;
  }

  /** Stop it, politely or not. */
  async down(signal = 'SIGTERM') {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill(signal);
    await gone;
  }

  /** Kill the processes in which nodes run; gives how many there were. */
  async killWorkers() {
    let killed = 0;
    for (const name of await readdir('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
      const command = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
      const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
      if (parent !== String(this.child.pid) || /resource_tracker/.test(command)) continue;
      process.kill(Number(name), 'SIGKILL');
      killed++;
    }
    return killed;
  }

  async end() {
    await this.down();
    await rm(this.data, { recursive: true, force: true });
  }
}

/** A port that was free a moment ago. */
function freePort() {
  return new Promise((resolve) => {
    const listener = createServer().listen(0, '127.0.0.1', () => {
      const { port } = listener.address();
      listener.close(() => resolve(port));
    });
  });
}

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const GRAPHFLOW = process.env.GRAPHFLOW ?? join(ROOT, '.venv', 'bin', 'graphflow');

/** What the scenarios need and this machine lacks, each with what to do; none if all is there. */
export async function lacking() {
  const needed = [
    [CHROMIUM, 'apt-get install chromium, or name one: CHROMIUM=/path/to/chromium'],
    [GRAPHFLOW, 'make demo, or name one: GRAPHFLOW=/path/to/graphflow'],
  ];
  const found = await Promise.all(
    needed.map(([path, hint]) =>
      access(path, constants.X_OK).then(
        () => '',
        () => `there is no ${path}\n  ${hint}`,
      ),
    ),
  );
  return found.filter((one) => one !== '');
}

export async function browse() {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/** Whether a browser tells that its connection to a server that a scenario stopped is lost; nothing else may fail to load. */
function isLost(server, text, url) {
  const asked =
    text.includes(`'ws://${new URL(server.origin).host}/ws'`) || url === `${server.origin}/api/about`;
  return asked && /net::ERR_|WebSocket connection/.test(text);
}

/** A page of a browser of its own. What goes wrong in it is kept in `faults`. plain: no secure one, which gets no permissions. */
export async function open(browser, server, { plain = false, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1480, height: 900 }, ...options });
  if (!plain)
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.origin });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => {
    const { url } = message.location();
    if (message.type() === 'error' && !isLost(server, message.text(), url))
      page.faults.push(`${message.text()} ${url}`);
  });
  await page.goto(server.url);
  await page.getByText('connected', { exact: true }).waitFor();
  return page;
}

/** The open document, as the page keeps it for a reload. */
export async function documentOf(page) {
  await page.waitForTimeout(60);
  return page.evaluate(() => {
    dispatchEvent(new Event('pagehide'));
    const kept = JSON.parse(localStorage.getItem('graphflow.tabs'));
    return kept.tabs.find((tab) => tab.id === kept.active).doc;
  });
}

/** Put a document into a new tab, as one would with the clipboard. */
export async function openDocument(page, doc) {
  await page.getByRole('button', { name: 'graphflow, first screen' }).click();
  await page.evaluate((text) => {
    const data = new DataTransfer();
    data.setData('text/plain', text);
    document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
  }, JSON.stringify(doc));
  await page.locator('.react-flow__node').first().waitFor();
  await page.waitForTimeout(250);
}

export async function template(page, name) {
  await page
    .getByRole('button', { name: new RegExp(`^${name} ?[A-Z]`) })
    .first()
    .click();
  await page.locator('.react-flow__node').first().waitFor();
  await page.waitForTimeout(400);
}

export async function drag(page, from, to) {
  const [a, b] = [
    await from.boundingBox(),
    to.x === undefined ? await to.boundingBox() : { ...to, width: 0, height: 0 },
  ];
  await page.mouse.move(a.x + a.width / 2, a.y + a.height / 2);
  await page.mouse.down();
  await page.mouse.move(b.x + b.width / 2 - 6, b.y + b.height / 2 - 6, { steps: 6 });
  await page.mouse.move(b.x + b.width / 2, b.y + b.height / 2, { steps: 3 });
}

export async function drop(page, from, to) {
  await drag(page, from, to);
  await page.mouse.up();
  await page.waitForTimeout(120);
}

/** Let a file fall on an element, at a place of the page if that matters. content: a text or bytes. */
export function dropFile(place, name, content, type = 'application/json', { x = 0, y = 0 } = {}) {
  return place.evaluate(
    (target, [name, data, type, x, y]) => {
      const dataTransfer = new DataTransfer();
      const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
      dataTransfer.items.add(new File([bytes], name, { type }));
      const how = { dataTransfer, bubbles: true, cancelable: true, clientX: x, clientY: y };
      target.dispatchEvent(new DragEvent('drop', how));
    },
    [name, Buffer.from(content).toString('base64'), type, x, y],
  );
}

export const port = (page, node, side, name) => page.getByTestId(`port-${node}-${side}-${name}`);
export const wires = (page) => page.locator('.react-flow__edge[data-id^="wire "]').count();
export const press = async (page, keys) => {
  await page.keyboard.press(keys);
  await page.waitForTimeout(70);
};

/** Run and wait until nothing runs any more. */
export async function run(page, ms = 120_000) {
  await page
    .getByRole('toolbar', { name: 'workflow' })
    .getByRole('button', { name: 'Run', exact: true })
    .click();
  await page
    .getByRole('button', { name: 'Cancel the run' })
    .waitFor({ timeout: 10_000 })
    .catch(() => undefined);
  await page.getByRole('button', { name: 'Cancel the run' }).waitFor({ state: 'detached', timeout: ms });
}

/** What bars people with assistive technology from the page as it is now; none if nothing serious does. */
export async function serious(page) {
  const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  await page.evaluate(await readFile(axe, 'utf8'));
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter((one) => one.impact === 'serious' || one.impact === 'critical')
    .map(
      (one) =>
        `${one.id}: ${one.nodes.length} x ${one.nodes[0].html.slice(0, 160)} ${one.nodes[0].failureSummary.slice(0, 220)}`,
    );
}
